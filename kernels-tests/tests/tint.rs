//! Every kernel in every form is compiled by Tint, the WGSL compiler of Chromium, where Chromium is installed: naga is more
//! lenient, about uniform control flow and missing parentheses for two. A page fetches the shaders from this process and sends
//! back what the compiler says. Of each shader two forms go on to become pipelines, which takes a hundred times as long.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kernels_tests::harness::say;
use kernels_tests::variants::{self, Variant};

/// How long Chromium may take to begin, and then for any one shader.
const PATIENCE: Duration = Duration::from_secs(90);

/// Compiles shader after shader, as module and as pipeline, and posts the complaints about each.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><script>
const post = (path, text) => fetch(path, { method: "POST", body: text });
(async () => {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) { await post("/unable", navigator.gpu ? "no adapter" : "no navigator.gpu"); return; }
    const optional = [["enable f16;", "shader-f16"], ["enable subgroups;", "subgroups"]];
    const has = optional.map(([, feature]) => feature).filter((feature) => adapter.features.has(feature));
    const device = await adapter.requestDevice({ requiredFeatures: has });
    const compile = async (i) => {
      const [pipeline, code] = (await (await fetch(`/${i}`)).text()).split("\u0000");
      const lacks = optional.find(([enable, feature]) => code.includes(enable) && !has.includes(feature));
      if (lacks) { await post(`/${i}`, `lacks ${lacks[1]}`); return; }
      device.pushErrorScope("validation");
      const module = device.createShaderModule({ code });
      const refused = device.popErrorScope();
      const { messages } = await module.getCompilationInfo();
      const complaints = messages.filter((m) => m.type === "error" || m.type === "warning")
        .map((m) => `${m.type} in line ${m.lineNum}: ${m.message}`);
      if (!complaints.length && pipeline === "true") {
        const compute = { module, entryPoint: "main" };
        try { await device.createComputePipelineAsync({ layout: "auto", compute }); }
        catch (e) { complaints.push(`pipeline: ${e.message}`); }
      }
      const error = await refused;
      if (error && !complaints.length) complaints.push(error.message);
      await post(`/${i}`, complaints.join("\n"));
    };
    for (let first = 0; first < COUNT; first += 8) {
      await Promise.all(Array.from({ length: Math.min(8, COUNT - first) }, (_, k) => compile(first + k)));
    }
  } catch (e) { await post("/failed", String(e)); }
})();
</script>"#;

/// How what the page says of a shader begins that the adapter lacks a feature for.
const LACKS: &str = "lacks ";

/// A shader to compile.
struct Shader {
    code: String,
    /// Whether to make a pipeline of it too.
    pipeline: bool,
}

/// What the page sends.
enum Message {
    /// What the compiler says of a shader; nothing if it is content.
    Compiled(usize, String),
    /// Why there is nothing to compile with.
    Unable(String),
    /// The page stopped.
    Failed(String),
}

fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).find(|file| file.is_file())
}

/// The browser, ended when this is dropped, with its folder.
struct Browser {
    child: Child,
    folder: PathBuf,
}

impl Browser {
    fn open(program: &PathBuf, port: u16) -> io::Result<Browser> {
        let folder = env::temp_dir().join(format!("knuckle-tint-{}-{port}", std::process::id()));
        let child = Command::new(program)
            .args(["--headless", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"])
            .args(["--disable-gpu-sandbox", "--disable-background-networking", "--no-first-run", "--mute-audio"])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg(format!("http://127.0.0.1:{port}/"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Browser { child, folder })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its other processes notice after a moment and may write until then.
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Answers one request: the page, a shader, or the receipt of a message.
fn answer(stream: TcpStream, shaders: &[Shader], messages: &Mutex<Sender<Message>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(&stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut parts = request.split_whitespace();
    let (method, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let name = path.trim_start_matches('/');
    let index = name.parse().ok().filter(|&i: &usize| i < shaders.len());
    let (status, kind, body) = match (method, index, name) {
        ("GET", None, "") => ("200 OK", "text/html", PAGE.replace("COUNT", &shaders.len().to_string())),
        ("GET", Some(i), _) => ("200 OK", "text/plain", format!("{}\0{}", shaders[i].pipeline, shaders[i].code)),
        ("POST", ..) => {
            let mut text = vec![0; length];
            reader.read_exact(&mut text)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let message = match (index, name) {
                (Some(i), _) => Message::Compiled(i, text),
                (None, "unable") => Message::Unable(text),
                _ => Message::Failed(text),
            };
            let messages = messages.lock().unwrap_or_else(|e| e.into_inner());
            // Nobody listens any more once a test is over.
            let _ = messages.send(message);
            ("200 OK", "text/plain", String::new())
        }
        _ => ("404 Not Found", "text/plain", String::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(body.as_bytes())
}

/// What Tint says of each shader, or why it cannot be asked here.
fn compile(shaders: Vec<Shader>) -> Result<Vec<String>, String> {
    let program = chromium().ok_or("chromium is not installed (Debian package chromium)")?;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = shaders.len();
    let (send, receive) = channel();
    let (shaders, send) = (Arc::new(shaders), Arc::new(Mutex::new(send)));
    // Browsers open connections ahead that they may not use, so each has its thread. They end with the process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (shaders, send) = (shaders.clone(), send.clone());
            thread::spawn(move || answer(stream, &shaders, &send));
        }
    });
    let browser = Browser::open(&program, port).map_err(|e| format!("{} does not start: {e}", program.display()))?;
    let mut said = vec![None; count];
    while said.iter().any(Option::is_none) {
        let done = said.iter().flatten().count();
        match receive.recv_timeout(PATIENCE) {
            Ok(Message::Compiled(i, text)) => said[i] = Some(text),
            Ok(Message::Unable(why)) => return Err(format!("{} has no WebGPU here: {why}", program.display())),
            Ok(Message::Failed(why)) => panic!("the page stopped after {done} of {count} shaders: {why}"),
            Err(_) => panic!("nothing heard from Chromium for {PATIENCE:?}, after {done} of {count} shaders"),
        }
    }
    drop(browser);
    Ok(said.into_iter().flatten().collect())
}

#[test]
fn tint_compiles_every_variant() {
    let begun = Instant::now();
    let (cooperative, variants): (Vec<Variant>, Vec<Variant>) =
        variants::all().into_iter().partition(|v| variants::is_cooperative(&v.kernel));
    let left_out = cooperative.len();
    say(&format!("skipped: {left_out} shaders use cooperative matrices, which Tint writes in another way than naga"));
    // A device need not have room for as many images as llvmpipe, so pipelines are of those without: of each shader the
    // first and the last.
    let plain = |v: &&Variant| v.kernel.bindings.iter().all(|b| b.image.is_none());
    let mut pipelines: BTreeMap<&str, [&str; 2]> = BTreeMap::new();
    for Variant { kernel, .. } in variants.iter().filter(plain) {
        pipelines.entry(kernel.shader).or_insert([&kernel.source; 2])[1] = &kernel.source;
    }
    let shader = |Variant { kernel, .. }: &Variant| Shader {
        // The directive that WebGPU wants, and naga does not know.
        code: match kernel.source.contains("subgroupShuffle(") {
            true => format!("enable subgroups;\n{}", kernel.source),
            false => kernel.source.clone(),
        },
        pipeline: pipelines.get(kernel.shader).is_some_and(|two| two.contains(&kernel.source.as_str())),
    };
    let said = match compile(variants.iter().map(shader).collect()) {
        Ok(said) => said,
        Err(why) => return say(&format!("skipped: shaders are not compiled by Tint, {why}")),
    };
    let refused: Vec<String> = variants
        .iter()
        .zip(&said)
        .filter(|(_, said)| !said.is_empty() && !said.starts_with(LACKS))
        .map(|(v, said)| format!("{} of {}: {said}\n{}", v.kernel.shader, v.program, v.kernel.prelude))
        .collect();
    println!("{} shaders in {:.1?}", variants.len(), begun.elapsed());
    for feature in ["shader-f16", "subgroups"] {
        let left_out = said.iter().filter(|said| said.strip_prefix(LACKS) == Some(feature)).count();
        if left_out > 0 {
            say(&format!("skipped: {left_out} shaders use {feature}, which this browser's adapter lacks"));
        }
    }
    let shown: Vec<&str> = refused.iter().take(20).map(String::as_str).collect();
    assert!(refused.is_empty(), "Tint refuses {} of {} shaders:\n{}", refused.len(), said.len(), shown.join("\n"));
}

/// Shaders that naga accepts and Tint does not, between two that both accept.
#[test]
fn tint_refuses_what_it_should() {
    let body = |statements: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n\
             var<workgroup> w: array<f32, 8>;\n\
             @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) {{ {statements} }}"
        )
    };
    let planted = [
        body("w[i] = 1.0; workgroupBarrier(); y[i] = w[7u - i];"),
        body("if i < 3u { workgroupBarrier(); } y[i] = w[i];"),
        body("for (var k = 0u; k < u32(y[0]); k++) { w[i] += 1.0; workgroupBarrier(); } y[i] = w[i];"),
        body("y[i] = 1.0;"),
    ];
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
    for text in &planted {
        let module = naga::front::wgsl::parse_str(text).expect("a shader");
        validator.validate(&module).expect("naga accepts it");
    }
    let shaders = planted.into_iter().map(|code| Shader { code, pipeline: true }).collect();
    match compile(shaders) {
        Ok(said) => {
            let refused: Vec<bool> = said.iter().map(|s| !s.is_empty()).collect();
            assert_eq!(refused, [false, true, true, false], "{said:?}");
            assert!(said[1].contains("uniform control flow"), "{}", said[1]);
        }
        Err(why) => say(&format!("skipped: Tint is not asked about wrong shaders, {why}")),
    }
}
