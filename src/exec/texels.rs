//! Turns a kernel's read-only arrays into images, for adapters that load from images faster (see
//! [`Texel`]). Shaders are written for buffers; `x[i]` becomes a texel load here.

use super::texel::{IMAGE_WIDTH, Texel};
use super::text::{is_word, without_comments};

/// The most texels that an element is made of.
const MOST_PARTS: u32 = 128;

/// What an array's elements are, and the texels they are made of.
struct Element {
    texel: Texel,
    ty: String,
    /// Of a struct: how many texels, and what makes it of the calls `part(i)`.
    whole: Option<(u32, String)>,
}

impl Element {
    fn of(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Option<Element> {
        if let Some(texel) = Texel::of(&module.types[ty].inner) {
            return Some(Element { texel, ty: texel.wgsl().1.to_string(), whole: None });
        }
        let mut parts = 0;
        let (name, whole) = of_vectors(module, ty, &mut parts)?;
        // Nothing may lie between them.
        let dense = u64::from(module.types[ty].inner.size(module.to_ctx())) == u64::from(parts) * Texel::Vec4.bytes();
        dense.then_some(Element { texel: Texel::Vec4, ty: name, whole: Some((parts, whole)) })
    }
}

/// The name of a type that holds nothing but vectors of four f32, and what makes a value of it of the calls `part(i)`, i from
/// `parts` on.
fn of_vectors(module: &naga::Module, ty: naga::Handle<naga::Type>, parts: &mut u32) -> Option<(String, String)> {
    let of_all = |name: String, types: Vec<naga::Handle<naga::Type>>, parts: &mut u32| {
        let values: Option<Vec<String>> =
            types.into_iter().map(|ty| of_vectors(module, ty, parts).map(|(_, value)| value)).collect();
        let made = format!("{name}({})", values?.join(", "));
        Some((name, made))
    };
    match &module.types[ty].inner {
        naga::TypeInner::Struct { members, .. } => {
            let name = module.types[ty].name.clone()?;
            of_all(name, members.iter().map(|member| member.ty).collect(), parts)
        }
        naga::TypeInner::Array { base, size: naga::ArraySize::Constant(n), .. } if n.get() <= MOST_PARTS => {
            let (of, _) = of_vectors(module, *base, &mut 0)?;
            of_all(format!("array<{of}, {n}>"), vec![*base; n.get() as usize], parts)
        }
        inner if Texel::of(inner) == Some(Texel::Vec4) => {
            *parts += 1;
            (*parts <= MOST_PARTS).then(|| ("vec4<f32>".into(), format!("part({}u)", *parts - 1)))
        }
        _ => None,
    }
}

/// `source` with up to `most` of its read-only storage arrays as images. Left as they are: arrays of structs that hold anything
/// but vectors of four, or more than [`MOST_PARTS`] of them; arrays whose address is taken; and names that a function both indexes
/// and gives to something of its own. The caller falls back to `source` if the result does not validate.
pub(super) fn through_images(source: &str, module: &naga::Module, most: usize) -> String {
    let mut text = source.to_string();
    let mut left = most;
    for (_, var) in module.global_variables.iter() {
        let (naga::AddressSpace::Storage { access }, Some(name)) = (var.space, &var.name) else { continue };
        let naga::TypeInner::Array { base, .. } = module.types[var.ty].inner else { continue };
        let Some(element) = Element::of(module, base) else { continue };
        if access == naga::StorageAccess::LOAD
            && left > 0
            && let Some(rewritten) = rewrite(&text, name, &element)
        {
            text = rewritten;
            left -= 1;
        }
    }
    text
}

/// One array turned into an image, or `None` if the text does something else with `name`.
fn rewrite(text: &str, name: &str, element: &Element) -> Option<String> {
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
        let first = rest.chars().next()?;
        if is_word(first) {
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
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
                out += &declaration(name, element);
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

/// The image in place of the array `name`, and the function that loads an element.
fn declaration(name: &str, Element { texel, ty, whole }: &Element) -> String {
    let (format, texel_ty, part) = texel.wgsl();
    let (mask, shift) = (IMAGE_WIDTH - 1, IMAGE_WIDTH.trailing_zeros());
    let load = |function: &str| {
        format!(
            "var {name}: texture_storage_2d<{format}, read>;\n\
             fn {function}(e: u32) -> {texel_ty} {{\n    \
             return textureLoad({name}, vec2(e & {mask}u, e >> {shift}u)){part};\n}}"
        )
    };
    match whole {
        None => load(&format!("texel_of_{name}")),
        // What of it is not used costs nothing: loads have no effect besides.
        Some((parts, made)) => {
            let made = made.replace("part(", &format!("part_of_{name}({parts}u * e + "));
            load(&format!("part_of_{name}"))
                + &format!("\nfn texel_of_{name}(e: u32) -> {ty} {{\n    return {made};\n}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_reads_are_rewritten() {
        let scalar = Element { texel: Texel::Scalar, ty: "f32".into(), whole: None };
        let text = "@group(0) @binding(1) var<storage, read> x: array<f32>; // x[0]\n\
                    fn f(i: u32) -> f32 { return x[y[i] + k.x[2]].x; }\n";
        let got = rewrite(text, "x", &scalar).expect("only indexed");
        assert!(got.contains("return texel_of_x(u32(y[i] + k.x[2])).x;"), "{got}");
        assert!(got.contains("@binding(1) var x: texture_storage_2d<r32float, read>;"), "{got}");
        for other in ["let n = arrayLength(&x);", "let x = x[0];", "fn g(x: vec2<f32>) { let a = x[0]; }"] {
            assert_eq!(rewrite(&format!("{text}{other}"), "x", &scalar), None, "{other}");
        }
        let own = rewrite(&format!("{text}fn g(x: f32) -> f32 {{ return x; }}"), "x", &scalar);
        assert!(own.expect("another function's own name").ends_with("fn g(x: f32) -> f32 { return x; }\n"));
    }

    #[test]
    fn structs_of_vectors_are_made_of_texels() {
        let text = "struct Lamp { at: vec4<f32>, colour: vec4<f32> }\n\
                    struct Look { sky: vec4<f32>, lamps: array<Lamp, 2>, up: vec4<f32> }\n\
                    struct Odd { at: vec3<f32>, n: u32 }\n\
                    struct Padded { @size(32) at: vec4<f32>, to: vec4<f32> }\n\
                    @group(0) @binding(0) var<storage, read> looks: array<Look>;\n\
                    @group(0) @binding(1) var<storage, read> odd: array<Odd>;\n\
                    @group(0) @binding(2) var<storage, read_write> y: array<f32>;\n\
                    @group(0) @binding(3) var<storage, read> padded: array<Padded>;\n\
                    @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n\
                    y[id.x] = padded[id.x].at.x + looks[id.x].lamps[1].colour.y + looks[odd[id.x].n].up.x;\n}\n";
        let module = naga::front::wgsl::parse_str(text).expect("valid");
        let got = through_images(text, &module, 8);
        assert!(got.contains("var looks: texture_storage_2d<rgba32float, read>;"), "{got}");
        assert!(got.contains("fn texel_of_looks(e: u32) -> Look {"), "{got}");
        let part = |i: u32| format!("part_of_looks(6u * e + {i}u)");
        let lamps = format!("array<Lamp, 2>(Lamp({}, {}), Lamp({}, {}))", part(1), part(2), part(3), part(4));
        assert!(got.contains(&format!("return Look({}, {lamps}, {});", part(0), part(5))), "{got}");
        assert!(got.contains("var<storage, read> odd: array<Odd>;"), "{got}");
        assert!(got.contains("var<storage, read> padded: array<Padded>;"), "{got}");
        let module = naga::front::wgsl::parse_str(&got).expect("still valid");
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
        validator.validate(&module).expect("still valid");
    }
}
