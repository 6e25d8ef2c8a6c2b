//! Who may use what, held by searching the sources. No device is needed.

use std::fs;
use std::path::{Path, PathBuf};

/// Code under `rooms` must not contain any of `words`.
struct Rule {
    rooms: &'static [&'static str],
    /// Files the rule leaves out.
    but: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule { rooms: &["src"], but: &["src/gpu/"], words: &["wgpu"], why: "gpu is the only room that names wgpu" },
    Rule { rooms: &["src"], but: &["src/gpu/"], words: &["unsafe"], why: "unsafe code is in gpu alone" },
    Rule {
        rooms: &["src"],
        but: &["src/bin/"],
        words: &["println!", "eprintln!", "print!(", "dbg!", "todo!", "unimplemented!"],
        why: "the library prints nothing and leaves nothing unfinished",
    },
    Rule {
        rooms: &["src"],
        // They rewrite buffers: as images, as arrays of f16, as parts of others.
        but: &["src/exec/coarsening.rs", "src/exec/halves.rs", "src/exec/place.rs", "src/exec/texels.rs"],
        words: &["@compute", "@group", "var<storage"],
        why: "kernels are files under shaders, not text in Rust",
    },
    Rule {
        rooms: &["src/ops"],
        but: &[],
        words: &["crate::gpu", "crate::nn", "crate::models", "crate::hand", "crate::data", "crate::train", "NodeId"],
        why: "operators know shapes, recorders and kernels",
    },
    Rule {
        rooms: &["src/graph"],
        but: &[],
        words: &["crate::gpu", "crate::exec", "crate::nn", "crate::models"],
        why: "the graph knows the Operator trait and nothing behind it",
    },
    Rule {
        rooms: &["src/exec"],
        but: &[],
        words: &["crate::gpu", "crate::nn", "crate::models", "vjp", "VjpCall", "cotangent", "backward"],
        why: "lowering and planning know neither devices nor gradients",
    },
    Rule {
        rooms: &["src/gpu"],
        but: &[],
        words: &["crate::ops", "crate::nn", "crate::models", "vjp", "Operator"],
        why: "running a program takes its steps alone",
    },
    Rule {
        rooms: &["src/nn", "src/models"],
        but: &[],
        words: &["crate::exec", "shader!", "Lowering", "impl Operator", "NodeId", "Kind::", "with_graph"],
        why: "models call methods of Recorder and Var, never nodes or kernels",
    },
    Rule {
        rooms: &["src/hand"],
        but: &[],
        words: &["crate::gpu", "crate::graph", "crate::ops", "crate::exec", "crate::nn", "crate::models"],
        why: "the rigged hand stands on its own",
    },
    Rule {
        rooms: &["src/bench"],
        but: &[],
        words: &["NodeId", "Kind::", "with_graph", "pub(crate)", "TruthVars"],
        why: "measuring uses what an application could",
    },
    Rule {
        rooms: &["kernels-tests/src/reference"],
        but: &[],
        words: &["knuckle", "crate::case", "crate::harness", "crate::compare", "extern crate"],
        why: "references share no code with what they judge",
    },
];

/// A file's path from the repository's root, and its code without comments.
struct Source {
    path: String,
    code: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let name = path.strip_prefix(root()).expect("inside").to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).expect("readable text")));
            }
        }
    }
    found.sort();
    found
}

fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs").into_iter().map(|(path, text)| Source { path, code: code(&text) }).collect()
}

/// The lines without comments (a `//` after a colon belongs to an address).
fn code(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        comment.map_or(line, |(at, _)| &line[..at]).to_string()
    };
    text.lines().map(line).collect()
}

fn violations(rule: &Rule, sources: &[Source]) -> Vec<String> {
    let inside = |s: &&Source| {
        rule.rooms.iter().any(|room| s.path.starts_with(&format!("{room}/")))
            && !rule.but.iter().any(|but| s.path.starts_with(but))
    };
    let mut found = Vec::new();
    for source in sources.iter().filter(inside) {
        for (i, line) in source.code.iter().enumerate() {
            for word in rule.words.iter().filter(|word| contains(line, word)) {
                found.push(format!("{}:{}: `{word}`: {}", source.path, i + 1, rule.why));
            }
        }
    }
    found
}

/// Whether `word` stands in `line` and is not the middle of a longer name (`unsafe` in `unsafe_code`).
fn contains(line: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        let bounded =
            |edge: Option<char>, neighbour: Option<char>| !(edge.is_some_and(name) && neighbour.is_some_and(name));
        bounded(word.chars().next(), before) && bounded(word.chars().next_back(), after)
    })
}

#[test]
fn every_room_keeps_to_its_own() {
    let mut sources = sources("src");
    sources.extend(self::sources("kernels-tests/src"));
    for rule in RULES {
        for room in rule.rooms {
            let prefix = format!("{room}/");
            assert!(
                sources.iter().any(|s| s.path.starts_with(&prefix)),
                "no sources in {room}: the rule checks nothing"
            );
        }
    }
    let found: Vec<String> = RULES.iter().flat_map(|rule| violations(rule, &sources)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_breach_is_found_where_it_counts_and_only_there() {
    let text =
        "//! wgpu in a comment\nuse wgpu::Device; // and here\nlet url = \"http://wgpu.rs\"; let my_wgpu_like = 1;";
    let at = |path: &str| Source { path: path.into(), code: code(text) };
    let rule = &RULES[0];
    let found = violations(rule, &[at("src/ops/x.rs"), at("src/gpu/x.rs"), at("other/x.rs")]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("src/ops/x.rs:2:") && found[1].starts_with("src/ops/x.rs:3:"), "{found:?}");
}

#[test]
fn backward_names_no_operators_but_addition_and_cast() {
    // Every operator is a method of Var defined in ops; backward may call two of them: gradients are summed,
    // and stored as their values.
    let methods: Vec<String> = sources("src/ops")
        .iter()
        .flat_map(|s| &s.code)
        .filter_map(|line| line.trim().strip_prefix("pub fn ")?.split_once("(self").map(|(name, _)| name.to_string()))
        .collect();
    assert!(["add", "mul", "conv2d", "slice"].iter().all(|m| methods.iter().any(|n| n == m)), "{methods:?}");
    let sources = sources("src/graph");
    let backward = sources.iter().find(|s| s.path.ends_with("/backward.rs")).expect("backward.rs");
    let calls: Vec<&String> =
        methods.iter().filter(|m| backward.code.iter().any(|line| line.contains(&format!(".{m}(")))).collect();
    assert_eq!(calls, ["add", "cast"]);
    for source in &sources {
        for line in source.code.iter().filter(|line| line.contains("crate::ops")) {
            let allowed = [
                "use crate::ops::Operator;",
                "use crate::ops::VjpCall;",
                "use crate::ops::{Operator, Storage};",
                "use crate::ops::{Operator, VjpCall};",
            ];
            assert!(allowed.contains(&line.trim()), "{}: {line}", source.path);
        }
    }
}

/// The room in which `visibility` shows an item of a file of `ops`, as a folder: `pub(super)` is for the folder that the file is
/// in, or, of a `mod.rs`, for the one around it.
fn shown_in(path: &str, visibility: &str) -> Option<String> {
    let (folder, file) = path.rsplit_once('/')?;
    let around = || folder.rsplit_once('/').map_or(folder, |(around, _)| around);
    match visibility {
        "pub(super)" => Some(if file == "mod.rs" { around() } else { folder }.to_string()),
        "pub(crate)" => Some("src".to_string()),
        _ => visibility
            .strip_prefix("pub(in crate::")?
            .strip_suffix(')')
            .map(|m| format!("src/{}", m.replace("::", "/"))),
    }
}

/// Operators of a file that are shown beyond it, and beyond its family's folder where it is in one.
fn shared_operators(source: &Source) -> Vec<String> {
    let implemented = source.code.iter().filter_map(|line| line.strip_prefix("impl Operator for "));
    let shared = |name: &String| {
        source.code.iter().any(|line| {
            let Some((before, after)) = line.split_once("struct ") else { return false };
            let declares =
                after.strip_prefix(name.as_str()).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
            declares && shown_in(&source.path, before.trim()).is_some_and(|room| !room.starts_with("src/ops/"))
        })
    };
    implemented.map(|rest| rest.trim_end_matches(" {").to_string()).filter(shared).collect()
}

/// An operator is its file's own, its family's where that has a folder, or public; files of `ops` share helpers, not operators.
#[test]
fn operators_are_not_shared_between_families_of_ops() {
    let mut operators = 0;
    for source in sources("src/ops") {
        operators += source.code.iter().filter(|line| line.starts_with("impl Operator for ")).count();
        let shared = shared_operators(&source);
        assert!(shared.is_empty(), "{}: {shared:?} are visible to other operators", source.path);
    }
    assert!(operators > 15, "only {operators} operators found");
}

#[test]
fn an_operator_may_be_shown_to_its_family_alone() {
    let shared = |path: &str, visibility: &str| {
        let text = format!("{visibility} struct Depth {{\nimpl Operator for Depth {{");
        !shared_operators(&Source { path: path.into(), code: code(&text) }).is_empty()
    };
    let (lone, family, room) = ("src/ops/depth.rs", "src/ops/raster/depth.rs", "src/ops/raster/mod.rs");
    for path in [lone, family, room] {
        assert!(!shared(path, "") && !shared(path, "pub"), "{path}");
        assert!(shared(path, "pub(crate)") && shared(path, "pub(in crate::ops)"), "{path}");
    }
    assert!(shared(lone, "pub(super)") && shared(room, "pub(super)"));
    assert!(!shared(family, "pub(super)") && !shared(family, "pub(in crate::ops::raster)"));
}

#[test]
fn every_shader_is_used_and_every_used_shader_exists() {
    let code: String = sources("src").iter().flat_map(|s| &s.code).map(|line| format!("{line}\n")).collect();
    let shaders = files("shaders", "wgsl");
    assert!(shaders.len() > 20);
    for (path, _) in &shaders {
        let name = path.strip_prefix("shaders/").expect("under shaders");
        let (_, file) = name.rsplit_once('/').expect("a family's folder");
        // Access files are named by parts: "a" and "_buffer_vec4.wgsl".
        let part = file.split_once('_').map_or(file, |(_, rest)| rest);
        let used = code.contains(&format!("\"{name}\"")) || code.contains(&format!("_{part}\""));
        assert!(used, "{path} is used by no operator");
    }
}
