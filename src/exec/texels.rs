//! Turns a kernel's read-only arrays into images, for adapters that load from images faster (see
//! [`Texel`]). Shaders are written for buffers; `x[i]` becomes a texel load here.

use super::texel::{IMAGE_WIDTH, Texel};

/// `source` with up to `most` of its read-only storage arrays as images. Left as they are: arrays of structs, arrays
/// whose address is taken, and names that a function both indexes and gives to something of its own. The caller falls
/// back to `source` if the result does not validate.
pub(super) fn through_images(source: &str, module: &naga::Module, most: usize) -> String {
    let mut text = source.to_string();
    let mut left = most;
    for (_, var) in module.global_variables.iter() {
        let (naga::AddressSpace::Storage { access }, Some(name)) = (var.space, &var.name) else { continue };
        let naga::TypeInner::Array { base, .. } = module.types[var.ty].inner else { continue };
        let Some(texel) = Texel::of(&module.types[base].inner) else { continue };
        if access == naga::StorageAccess::LOAD
            && left > 0
            && let Some(rewritten) = rewrite(&text, name, texel)
        {
            text = rewritten;
            left -= 1;
        }
    }
    text
}

/// One array turned into an image, or `None` if the text does something else with `name`.
fn rewrite(text: &str, name: &str, texel: Texel) -> Option<String> {
    let code = without_comments(text);
    let mut out = String::with_capacity(text.len());
    let mut declared = false;
    let mut at = 0;
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0usize;
    // Whether the function at hand indexes the name, and whether it declares it.
    let mut function = (false, false);
    while at < code.len() {
        let rest = &code[at..];
        let starts_word = |c: char| c.is_alphanumeric() || c == '_';
        let first = rest.chars().next()?;
        if starts_word(first) {
            let word = &rest[..rest.find(|c| !starts_word(c)).unwrap_or(rest.len())];
            let after = rest[word.len()..].trim_start();
            let member = code[..at].ends_with('.');
            at += word.len();
            if word == "fn" {
                function = (false, false);
            }
            if word != name || member {
                out += word;
            } else if after.starts_with('[') {
                out += &format!("texel_of_{name}(u32(");
                at = code.len() - after.len() + 1;
                depth += 1;
                open.push(depth);
                function.0 = true;
            } else if after.starts_with(':') && !declared && out.ends_with("var<storage, read> ") {
                // The declaration goes to its end.
                let end = at + code[at..].find(';')? + 1;
                out.truncate(out.len() - "var<storage, read> ".len());
                let (format, ty, part) = texel.wgsl();
                let (mask, shift) = (IMAGE_WIDTH - 1, IMAGE_WIDTH.trailing_zeros());
                out += &format!(
                    "var {name}: texture_storage_2d<{format}, read>;\n\
                     fn texel_of_{name}(e: u32) -> {ty} {{\n    \
                     return textureLoad({name}, vec2(e & {mask}u, e >> {shift}u)){part};\n}}"
                );
                declared = true;
                at = end;
            } else {
                let before = out.trim_end();
                let keyword = ["let", "var", "const"].iter().any(|k| before.ends_with(k));
                function.1 |= keyword || after.starts_with(':');
                if before.ends_with('&') {
                    return None;
                }
                out += word;
            }
            if function == (true, true) {
                return None;
            }
            continue;
        }
        match first {
            '[' => depth += 1,
            ']' => {
                depth = depth.checked_sub(1)?;
                if open.last() == Some(&(depth + 1)) {
                    open.pop();
                    out += "))";
                    at += 1;
                    continue;
                }
            }
            _ => {}
        }
        out.push(first);
        at += first.len_utf8();
    }
    declared.then_some(out)
}

/// The text with line comments blanked, so that words and brackets in them do not count.
fn without_comments(text: &str) -> String {
    let line = |line: &str| line.split_once("//").map_or(line, |(code, _)| code).trim_end().to_string() + "\n";
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_reads_are_rewritten() {
        let text = "@group(0) @binding(1) var<storage, read> x: array<f32>; // x[0]\n\
                    fn f(i: u32) -> f32 { return x[y[i] + k.x[2]].x; }\n";
        let got = rewrite(text, "x", Texel::Scalar).expect("only indexed");
        assert!(got.contains("return texel_of_x(u32(y[i] + k.x[2])).x;"), "{got}");
        assert!(got.contains("@binding(1) var x: texture_storage_2d<r32float, read>;"), "{got}");
        for other in ["let n = arrayLength(&x);", "let x = x[0];", "fn g(x: vec2<f32>) { let a = x[0]; }"] {
            assert_eq!(rewrite(&format!("{text}{other}"), "x", Texel::Scalar), None, "{other}");
        }
        let own = rewrite(&format!("{text}fn g(x: f32) -> f32 {{ return x; }}"), "x", Texel::Scalar);
        assert!(own.expect("another function's own name").ends_with("fn g(x: f32) -> f32 { return x; }\n"));
    }
}
