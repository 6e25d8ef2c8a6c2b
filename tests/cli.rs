//! The built command line, from outside: what it writes, what it says when something is wrong, and how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat};
use knuckle::data::{Photo, Surface};
use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnn, GraphCnnConfig};
use knuckle::output::save_obj;
use knuckle::train::checkpoint::{Metadata, Precision};
use knuckle::{Gpu, States};
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_knuckle"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn knuckle(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The only line of the standard error, which must be one.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("error: ") && text.trim_end().lines().count() == 1, "{text}");
    text.trim_end().to_string()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("knuckle-cli-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A weights file with initial values: what it finds means nothing, but it finds something.
fn weights() -> &'static str {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let path = folder("weights").join("initial.safetensors");
        let gpu = Gpu::new().unwrap();
        let model = GraphCnn::new(&gpu, GraphCnnConfig::small(), &States::seeded(&gpu, 5)).unwrap();
        model.save(&path, Precision::F16, Metadata::new()).unwrap();
        path
    });
    text(path)
}

/// A picture with something to see, wider than high.
fn picture() -> Photo {
    let pixel = |x: u32, y: u32| [(x * 3) as u8, (y * 5) as u8, ((x * y) / 16) as u8];
    let rgb = (0..90).flat_map(|y| (0..120).flat_map(move |x| pixel(x, y))).collect();
    Photo::from_rgb(120, 90, rgb).unwrap()
}

fn floats(value: &Value) -> Vec<Vec<f64>> {
    let rows = value.as_array().unwrap().iter();
    rows.map(|row| row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()).collect()
}

#[test]
fn info_names_the_adapter_and_a_wrong_one_is_an_error() {
    let output = knuckle(&["info"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(stdout(&output).contains(&format!("using {}", Gpu::new().unwrap().adapter())));
    let output = command(&["info"]).env("KNUCKLE_ADAPTER", "no such adapter").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("no such adapter"), "{output:?}");
    assert!(stdout(&output).contains("KNUCKLE_ADAPTER is `no such adapter`"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = command(&["info"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn info_runs_a_network_and_tells_what_it_takes() {
    let output = knuckle(&["info", "--model", "small"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let told = stdout(&output);
    for what in ["parameters", "GFLOP", "planned", "lower bound", "found in", "allocated at most"] {
        assert!(told.contains(what), "{what} in {told}");
    }
    let output = knuckle(&["info", "--model", "huge"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("`small` or `paper`"), "{output:?}");
}

/// A file of choices as an adapter of that name would export it.
fn choices(path: &Path, format: &str) {
    let known = serde_json::json!({ "product b1 m16 k16 n16": { "ms": { "lanes 4x4": 0.25, "lanes 8x8": 0.5 },
        "rejected": { "tile 64x64": "element 3 is 0, others give 1" } } });
    let file = serde_json::json!({ "format": format, "adapter": "another GPU", "choices": known });
    std::fs::write(path, file.to_string()).unwrap();
}

#[test]
fn measured_choices_are_imported_kept_listed_exported_and_forgotten() {
    let folder = folder("tune");
    let (cache, file, out) = (folder.join("cache"), folder.join("choices.json"), folder.join("exported.json"));
    let tune = |cache: &Path, arguments: &[&str]| {
        command(&[&["tune"], arguments].concat()).env("KNUCKLE_CACHE", cache).output().unwrap()
    };
    let format = concat!("choices 1 of knuckle ", env!("CARGO_PKG_VERSION"));
    choices(&file, format);
    let told = stdout(&tune(&cache, &["--list"]));
    assert!(told.contains("0 classes of shapes"), "{told}");
    let told = stdout(&tune(&cache, &["--import", text(&file)]));
    for says in ["these were measured on another GPU", "1 classes of shapes imported", "kept in "] {
        assert!(told.contains(says), "{says}: {told}");
    }
    let told = stdout(&tune(&cache, &["--list", "--export", text(&out)]));
    for says in ["1 classes", "lanes 4x4 0.250 ms, lanes 8x8 0.500 ms", "tile 64x64 is REJECTED: element 3"] {
        assert!(told.contains(says), "{says}: {told}");
    }
    let exported: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(exported["format"], format);
    assert_eq!(exported["choices"]["product b1 m16 k16 n16"]["ms"]["lanes 4x4"], 0.25);
    // What is cut short in the cache is as good as nothing, and written anew.
    let kept = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<PathBuf> = kept.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    let whole = std::fs::read(&kept[0]).unwrap();
    std::fs::write(&kept[0], &whole[..whole.len() / 2]).unwrap();
    assert!(stdout(&tune(&cache, &["--list"])).contains("0 classes of shapes"));
    assert!(tune(&cache, &["--import", text(&file)]).status.success());
    assert_eq!(std::fs::read(&kept[0]).unwrap(), whole);
    assert!(stdout(&tune(&cache, &["--clear", "--list"])).contains("0 classes of shapes"));
    assert!(!kept[0].exists());
    // A cache folder that cannot be: told, no error.
    let output = tune(&file.join("below"), &["--import", text(&file)]);
    assert!(output.status.success() && stdout(&output).contains("not kept: "), "{output:?}");
    let output = tune(Path::new(""), &["--import", text(&file)]);
    assert!(output.status.success() && stdout(&output).contains("there is no cache folder"), "{output:?}");
    choices(&file, "choices 0 of knuckle 0.0.1");
    let output = tune(&cache, &["--import", text(&file)]);
    assert!(complaint(&output).contains("choices 0 of knuckle 0.0.1"), "{output:?}");
    assert!(complaint(&tune(&cache, &["huge"])).contains("`small` or `paper`"));
}

#[test]
fn usage_errors_end_with_2() {
    for wrong in [
        &["frobnicate"][..],
        &["infer"],
        &["train", "--resume", "--seed", "3"],
        &["train", "--optimizer", "sgd"],
        &["eval", "--fill", "0.5"],
        &["train", "--from", "w.safetensors", "--config", "small"],
        &["data"],
        &["tune", "small", "--all"],
        &["tune", "--batch", "0"],
    ] {
        assert_eq!(knuckle(wrong).status.code(), Some(2), "{wrong:?}");
    }
    for wrong in [
        &["train", "--config", "huge"][..],
        &["train", "--config", "none.json"],
        &["train", "--from", "none.safetensors"],
        &["train", "--steps", "3", "--pretrain", "4"],
        &["train", "--second-look", "2"],
    ] {
        let out = folder("usage");
        let output = knuckle(&[wrong, &["--out", text(&out)]].concat());
        assert_eq!(output.status.code(), Some(1), "{wrong:?}");
        complaint(&output);
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "nothing is written");
    }
}

#[test]
fn good_photos_are_written_and_bad_ones_told() {
    let folder = folder("infer");
    let at = |name: &str| folder.join(name);
    picture().save_png(at("good.png")).unwrap();
    let deep =
        DynamicImage::from(image::ImageBuffer::<image::LumaA<u16>, _>::from_pixel(40, 40, image::LumaA([9, 99])));
    deep.save_with_format(at("deep.png"), ImageFormat::Png).unwrap();
    std::fs::write(at("empty.jpg"), "").unwrap();
    std::fs::write(at("words.png"), "no picture").unwrap();
    DynamicImage::new_rgb8(1, 1).save_with_format(at("tiny.png"), ImageFormat::Png).unwrap();

    let photos = ["empty.jpg", "good.png", "words.png", "missing.png", "tiny.png", "deep.png"].map(at);
    let mut arguments = vec!["infer"];
    arguments.extend(photos.iter().map(|p| text(p)));
    let (out, json) = (at("out"), at("hands.json"));
    arguments.extend(["--out", text(&out), "--json", text(&json), "--weights", weights(), "--scale-mm", "30"]);
    let output = knuckle(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    for (bad, words) in
        [("empty.jpg", "empty"), ("words.png", "PNG or JPEG"), ("missing.png", "No such"), ("tiny.png", "1×1")]
    {
        let line = errors.lines().find(|l| l.contains(bad)).unwrap_or_else(|| panic!("nothing of {bad}: {errors}"));
        assert!(line.starts_with("error: ") && line.contains(words), "{line}");
    }
    assert_eq!(errors.lines().count(), 4, "{errors}");

    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert!(!report["adapter"].as_str().unwrap().is_empty() && report["model"].as_str().unwrap().contains("small"));
    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    assert!(images[0]["file"].as_str().unwrap().ends_with("good.png") && images[0]["ms"].as_f64().unwrap() > 0.0);
    let (joints, uv) = (floats(&images[0]["joints_mm"]), floats(&images[0]["uv"]));
    assert!(joints.len() == 21 && joints.iter().all(|j| j.len() == 3) && joints[0] == [0.0; 3]);
    assert!(uv.len() == 21 && uv.iter().all(|p| p.len() == 2));
    let overlay = Photo::open(out.join("good.overlay.png")).unwrap();
    assert!((overlay.width(), overlay.height()) == (120, 90) && overlay != picture());
    let mesh = std::fs::read_to_string(out.join("deep.obj")).unwrap();
    let lines = |kind: &str| mesh.lines().filter(|l| l.starts_with(kind)).count();
    assert_eq!((lines("v ") as u64, lines("f ")), (images[1]["vertices"].as_u64().unwrap(), 2314));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_left_hand_is_the_mirror_of_a_right_one() {
    let folder = folder("left");
    let read = |name: &str, photo: Photo, more: &[&str]| {
        let (path, json) = (folder.join(format!("{name}.png")), folder.join(format!("{name}.json")));
        photo.save_png(&path).unwrap();
        let arguments = ["infer", text(&path), "--json", text(&json), "--weights", weights()];
        assert!(knuckle(&[&arguments, more].concat()).status.success());
        let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        (floats(&report["images"][0]["joints_mm"]), floats(&report["images"][0]["uv"]))
    };
    let (right, right_uv) = read("right", picture(), &[]);
    let (left, left_uv) = read("left", picture().mirrored(), &["--left"]);
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-3 * (1.0 + b.abs());
    for joint in 0..21 {
        let (r, l) = (&right[joint], &left[joint]);
        assert!(close(l[0], -r[0]) && close(l[1], r[1]) && close(l[2], r[2]), "joint {joint}: {l:?} against {r:?}");
        assert!(close(left_uv[joint][0], 120.0 - right_uv[joint][0]) && close(left_uv[joint][1], right_uv[joint][1]));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn weights_that_cannot_be_used_stop_before_anything_is_written() {
    let folder = folder("bad-weights");
    let photo = folder.join("good.png");
    picture().save_png(&photo).unwrap();
    let whole = std::fs::read(weights()).unwrap();
    let nan = {
        let mut bytes = whole.clone();
        let end = bytes.len();
        bytes[end - 2..].copy_from_slice(&0x7E00u16.to_le_bytes());
        bytes
    };
    let cases = [(whole[..whole.len() / 2].to_vec(), "cut off"), (b"{}".to_vec(), "cut off"), (nan, "NaN")];
    for (bytes, words) in cases {
        let path = folder.join("w.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let json = folder.join("hands.json");
        let output = knuckle(&["infer", text(&photo), "--json", text(&json), "--weights", text(&path)]);
        assert_eq!(output.status.code(), Some(1));
        let line = complaint(&output);
        assert!(line.contains("w.safetensors") && line.contains(words), "{line}");
        assert!(!json.exists());
    }
    for scale in ["0", "-3", "nan"] {
        let output = knuckle(&["infer", text(&photo), &format!("--scale-mm={scale}")]);
        assert!(output.status.code() == Some(1) && complaint(&output).contains("--scale-mm"));
    }
    let output = knuckle(&["eval", "--folder", text(&folder), "--weights", weights()]);
    assert!(output.status.code() == Some(1) && complaint(&output).contains("joints.json"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_same_seed_draws_the_same_sheet() {
    let folder = folder("sheet");
    let draw = |name: &str, seed: &str| {
        let path = folder.join(name);
        let arguments =
            ["data", "--sheet", text(&path), "--count", "3", "--columns", "2", "--size", "64", "--seed", seed];
        let output = knuckle(&arguments);
        assert!(output.status.success(), "{output:?}");
        Photo::open(path).unwrap()
    };
    let first = draw("a.png", "7");
    assert!(first.width() >= 128 && first.height() >= 128);
    assert_eq!(first, draw("b.png", "7"));
    assert_ne!(first, draw("c.png", "8"));
    let output = knuckle(&["data", "--sheet", text(&folder.join("none/x.png")), "--count", "1"]);
    assert!(output.status.code() == Some(1) && complaint(&output).contains("none"));
    let output = knuckle(&["data", "--sheet", "x.png", "--count", "0"]);
    assert!(output.status.code() == Some(1) && complaint(&output).contains("--count"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_a_checkpoint_and_resuming_gives_the_same_bits() {
    let folder = folder("train");
    let (whole, broken) = (folder.join("whole"), folder.join("broken"));
    let options = ["--steps", "6", "--pretrain", "3", "--batch", "2", "--validation-samples", "0", "--seed", "3"];
    let train = |out: &Path, more: &[&str]| command(&[&["train", "--out", text(out)], more].concat());

    let mut interrupted = train(&broken, &options).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while !std::fs::read(broken.join("log.jsonl")).is_ok_and(|log| !log.is_empty()) {
        assert!(Instant::now() < deadline && interrupted.try_wait().unwrap().is_none(), "no first step");
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(stdout(&output).contains("--resume"), "{output:?}");
    assert!(broken.join("weights.safetensors").exists(), "what it came to so far can be tried");

    let output = train(&broken, &options).output().unwrap();
    assert!(output.status.code() == Some(1) && complaint(&output).contains("--resume"), "not begun anew by mistake");
    assert!(train(&broken, &["--resume"]).output().unwrap().status.success());
    assert!(train(&whole, &options).output().unwrap().status.success());

    for name in ["checkpoint.safetensors", "weights.safetensors"] {
        let [a, b] = [&whole, &broken].map(|out| std::fs::read(out.join(name)).unwrap());
        let [a, b] = [&a, &b].map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
        assert!(a.len() > 10 && a.len() == b.len());
        for (tensor, view) in a.iter() {
            assert_eq!(view, b.tensor(tensor).unwrap(), "{name}: {tensor}");
        }
    }
    assert!(Photo::open(broken.join("loss.png")).is_ok());
    assert_eq!(std::fs::read_to_string(broken.join("log.jsonl")).unwrap().lines().count(), 6);
    // The weights it wrote can be used.
    let photo = folder.join("good.png");
    picture().save_png(&photo).unwrap();
    let output = knuckle(&["infer", text(&photo), "--weights", text(&whole.join("weights.safetensors"))]);
    assert!(output.status.success(), "{output:?}");
    // So can another training begin with them, in the second stage.
    let (weights, more) = (whole.join("weights.safetensors"), folder.join("more"));
    let output = train(&more, &["--from", text(&weights), "--steps", "1", "--batch", "2", "--validation-samples", "0"]);
    assert!({ output }.output().unwrap().status.success());
    assert!(std::fs::read_to_string(more.join("log.jsonl")).unwrap().contains("\"stage\":\"full\""));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A hand held up, as OBJ.
fn rest_hand(path: &Path) {
    let hand = RiggedHand::right();
    save_obj(path, hand.rest_vertices(), hand.faces()).unwrap();
}

#[test]
fn a_mesh_is_shown_from_one_side_and_from_all_around() {
    let folder = folder("view");
    let (obj, png, gif) = (folder.join("hand.obj"), folder.join("hand.png"), folder.join("hand.gif"));
    rest_hand(&obj);
    let output = knuckle(&["view", text(&obj), "--out", text(&png), "--size", "96", "--elevation", "-20"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let one = Photo::open(&png).unwrap();
    assert_eq!((one.width(), one.height()), (96, 96));
    let output = knuckle(&["view", text(&obj), "--out", text(&gif), "--size", "64", "--frames", "5"]);
    assert!(output.status.success(), "{output:?}");
    let mut decoder = gif::DecodeOptions::new().read_info(std::fs::File::open(&gif).unwrap()).unwrap();
    assert_eq!((decoder.width(), decoder.height(), decoder.repeat()), (64, 64, gif::Repeat::Infinite));
    let mut frames = 0;
    while decoder.read_next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, 5);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_infer_writes_can_be_viewed() {
    let folder = folder("infer-view");
    let at = |name: &str| folder.join(name);
    let photo = at("hand.png");
    picture().save_png(&photo).unwrap();
    let (out, json) = (at("out"), at("hands.json"));
    let arguments = ["infer", text(&photo), "--out", text(&out), "--glb", "--json", text(&json), "--with-mesh"];
    let output = knuckle(&[&arguments[..], &["--weights", weights()]].concat());
    assert!(output.status.success() && stdout(&output).contains("hand.glb"), "{output:?}");
    let meshes = [out.join("hand.obj"), out.join("hand.glb"), json].map(|path| Surface::open(path).unwrap());
    let corner = |mesh: &Surface, i: usize| mesh.vertices[mesh.faces[i / 3][i % 3] as usize];
    // What untrained weights find can be of any size.
    let size = (0..3 * meshes[0].faces.len()).map(|i| corner(&meshes[0], i).length()).fold(1.0, f32::max);
    for mesh in &meshes[1..] {
        assert_eq!(mesh.faces.len(), meshes[0].faces.len());
        let apart = (0..3 * mesh.faces.len()).map(|i| corner(mesh, i).distance(corner(&meshes[0], i)));
        let worst = apart.fold(0.0, f32::max);
        assert!(worst < 1e-6 * size, "{worst} of {size}");
    }
    let output = knuckle(&["view", text(&out.join("hand.glb")), "--out", text(&at("view.png")), "--size", "64"]);
    assert!(output.status.success() && Photo::open(at("view.png")).is_ok(), "{output:?}");
    assert_eq!(knuckle(&["infer", text(&photo), "--glb"]).status.code(), Some(2), "--glb wants --out");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn meshes_that_cannot_be_shown_are_told() {
    let folder = folder("bad-view");
    let at = |name: &str| folder.join(name);
    let glb = std::fs::read("assets/hand/right.glb").unwrap();
    let files: [(&str, &[u8], &str); 7] = [
        ("empty.obj", b"", "0 faces"),
        ("nan.obj", b"v 0 0 0\nv 0 nan 0\nv 1 0 0\nf 1 2 3\n", "vertex 1"),
        ("range.obj", b"v 0 0 0\nv 0 1 0\nv 1 0 0\nf 1 2 9\n", "below 3, got 8 in face 0"),
        ("cut.glb", &glb[..glb.len() / 2], "needs"),
        ("joints.json", br#"{"images": [{"joints_mm": [], "vertices": 3}]}"#, "--with-mesh"),
        ("words.json", b"no JSON", "line 1"),
        ("mesh.stl", b"solid", ".obj, .glb or .json"),
    ];
    let out = at("never.png");
    let refused = |arguments: &[&str], words: &str| {
        let output = knuckle(&[&["view"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = complaint(&output);
        assert!(line.contains(words), "{line}");
        line
    };
    for (name, bytes, words) in files {
        std::fs::write(at(name), bytes).unwrap();
        assert!(refused(&[text(&at(name)), "--out", text(&out)], words).contains(name));
    }
    assert!(refused(&[text(&at("missing.obj")), "--out", text(&out)], "No such file").contains("missing.obj"));
    let hand = at("hand.obj");
    rest_hand(&hand);
    for size in ["0", "15", "1601", "99999999999"] {
        refused(&[text(&hand), "--out", text(&out), "--size", size], "size: expected 16 to 1600");
    }
    refused(&[text(&hand), "--out", text(&at("x.gif")), "--frames", "0"], "frames: expected 1 to 360");
    refused(&[text(&hand), "--out", text(&out), "--elevation", "nan"], "finite angles");
    refused(&[text(&hand), "--out", text(&at("x.webp"))], ".png or .gif");
    refused(&[text(&hand), "--out", text(&at("none/x.png")), "--size", "32"], "none");
    assert!(!out.exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_hand_is_fitted_and_what_is_written_can_be_viewed() {
    let folder = folder("fit");
    let arguments =
        ["fit", "--synthetic", "3", "--steps", "8", "--hypotheses", "2", "--size", "32", "--out", text(&folder)];
    let output = knuckle(&arguments);
    assert!(output.status.success(), "{output:?}");
    let said = stdout(&output);
    assert!(said.contains("in 8 steps") && said.contains("mesh error, relative to the wrist"), "{said}");
    let file = |ending: &str| folder.join(format!("synthetic-3.fit.{ending}"));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(file("json")).unwrap()).unwrap();
    let losses = floats(&report["losses"]);
    assert_eq!((losses.len(), losses[0].len()), (2, 9));
    assert!(losses[0][8] < losses[0][0] && losses[0][8] <= losses[1][8], "{losses:?}");
    assert_eq!((floats(&report["joints_mm"]).len(), floats(&report["uv"]).len()), (21, 21));
    // Eight steps and the end.
    let mut frames = gif::Decoder::new(std::fs::File::open(file("gif")).unwrap()).unwrap();
    assert_eq!(std::iter::from_fn(|| frames.read_next_frame().unwrap().map(|_| ())).count(), 9);
    for mesh in ["obj", "glb", "json"] {
        let surface = Surface::open(file(mesh)).unwrap();
        assert_eq!(surface.faces.len(), RiggedHand::right().faces().len(), "{mesh}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let folder = folder("unfit");
    let (photo, small, joints) = (folder.join("photo.png"), folder.join("small.png"), folder.join("joints.json"));
    picture().save_png(&photo).unwrap();
    Photo::from_rgb(4, 4, vec![0; 48]).unwrap().save_png(&small).unwrap();
    std::fs::write(&joints, "[[1, 2], [3, 4]]").unwrap();
    let fit = |more: &[&str]| {
        let output = knuckle(&[&["fit", text(&photo), "--weights", weights()], more].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        complaint(&output)
    };
    assert!(fit(&["--mask", text(&small)]).contains("pixels as the photo"));
    assert!(fit(&["--mask", text(&joints)]).contains("joints.json"));
    assert!(fit(&["--joints", text(&joints)]).contains("21 joints"));
    assert!(fit(&["--joints", text(&small)]).contains("small.png"));
    assert!(fit(&["--hypotheses", "0"]).contains("hypotheses"));
    assert!(fit(&["--size", "4"]).contains("size_px"));
    assert!(fit(&["--scale-mm=-3"]).contains("scale"));
    // Before anything is fitted.
    assert!(fit(&["--out", text(&joints)]).contains("joints.json"));
    assert_eq!(knuckle(&["fit"]).status.code(), Some(2));
    assert_eq!(knuckle(&["fit", text(&photo), "--synthetic", "1"]).status.code(), Some(2));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_profile_names_the_lines_that_recorded_the_operators() {
    let folder = folder("profile");
    let trace = folder.join("trace.json");
    let output = knuckle(&["profile", "small", "--runs", "1", "--top", "3", "--out", text(&trace)]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let table = stdout(&output);
    assert!(table.contains("small inference, batch 1") && table.contains("src/models/graph_cnn.rs:"), "{table}");
    let trace: Value = serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
    let spans: Vec<&Value> = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X").collect();
    let of = |op: &str| spans.iter().filter(|e| e["args"]["op"] == op).count();
    assert!(of("conv2d") > 30 && of("spmm") > 1, "{} convolutions", of("conv2d"));
    for span in &spans {
        let [start, duration] = ["ts", "dur"].map(|key| span[key].as_f64().unwrap());
        assert!(start >= 0.0 && duration >= 0.0 && span["name"].is_string(), "{span}");
        let op = &span["args"]["op"];
        assert!(op.is_null() || span["name"].as_str().unwrap().contains(".rs:"), "{span}");
    }
    for (wrong, words) in [
        (&["profile", "huge"][..], "`small` or `paper`"),
        (&["profile", "small", "--runs", "0"], "--runs"),
        (&["profile", "small", "--batch", "0"], "--batch"),
        (&["profile", "small", "--out", text(&folder.join("none/t.json"))], "none"),
        (&["profile", "small", "--adapter", "no such adapter"], "no such adapter"),
    ] {
        let output = knuckle(wrong);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(complaint(&output).contains(words), "{output:?}");
        assert!(!stdout(&output).contains("share"), "told before the work");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_card_is_measured_written_and_compared() {
    let folder = folder("bench");
    let at = |name: &str| folder.join(name);
    let (json, html, slow) = (at("card.json"), at("card.html"), at("slow.json"));
    let usual = ["bench", "--quick", "--seconds", "0", "--filter", "spmm 64@73"];
    let output = knuckle(&[&usual[..], &["--json", text(&json), "--html", text(&html)]].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(stdout(&output).contains("multiply-adds, f32") && stdout(&output).contains("spmm 64@73"), "{output:?}");
    let mut card: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let passes: Vec<&str> = card["rows"].as_array().unwrap().iter().map(|row| row["pass"].as_str().unwrap()).collect();
    assert_eq!(passes, ["fwd", "bwd", "f+b"]);
    assert!(card["rows"][0]["percent_of_ceiling"].as_f64().unwrap() > 0.0, "{card}");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("<svg") && page.contains("spmm 64@73 b16"));

    // Against one in which everything was done long before it began all of it is slower, however noisy the machine is.
    for row in card["rows"].as_array_mut().unwrap() {
        row["ms_median"] = (-1e9).into();
        row["ms_mad"] = 0.0.into();
    }
    card["adapter"] = "of long ago".into();
    std::fs::write(&slow, card.to_string()).unwrap();
    let output = knuckle(&[&usual[..], &["--baseline", text(&slow)]].concat());
    assert!(output.status.success(), "told, but no failure: {output:?}");
    let said = stdout(&output);
    assert!(said.contains("ANOTHER ADAPTER") && said.matches("SLOWER").count() == 3, "{said}");
    let output = knuckle(&[&usual[..], &["--baseline", text(&slow), "--fail-on-regression"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_benched_is_told_before_anything_is_measured() {
    let folder = folder("bad-bench");
    let (junk, dir) = (folder.join("junk.json"), folder.join("none/x"));
    std::fs::write(&junk, "{\"schema\": \"knuckle-card\", \"version\": 99}").unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["--filter", "no such kernel"], "matmul 512"),
        (&["--json", text(&dir)], "none"),
        (&["--html", text(&folder)], "bad-bench"),
        (&["--baseline", text(&junk)], "knuckle-card 99"),
        (&["--baseline", text(&dir)], "none"),
        (&["--seconds=-1"], "seconds"),
        (&["--adapter", "no such adapter"], "no such adapter"),
    ];
    for (wrong, words) in cases {
        let output = knuckle(&[&["bench"], wrong].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(complaint(&output).contains(words), "{output:?}");
        assert!(stdout(&output).is_empty(), "{output:?}");
    }
    assert_eq!(knuckle(&["bench", "--fail-on-regression"]).status.code(), Some(2), "of what baseline?");
    let output = knuckle(&["bench", "--list", "--filter", "matmul 512"]);
    assert!(output.status.success() && stdout(&output).lines().count() == 2, "{output:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
