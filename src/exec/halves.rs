//! Turns a kernel's f32 arrays into arrays of f16, for tensors stored so. Shaders are written for f32; here `x[i]` is
//! widened where it is read and rounded where it is written, so that every kernel computes in f32 whatever its operands
//! are stored as.

use naga::{Scalar, TypeInner, VectorSize};

use super::text::{self, is_name, is_shadowed, is_word, without_comments, words};

/// How a kernel's array is read and written as f16.
#[derive(Debug, Clone, Copy)]
struct Stored {
    /// An element as it is stored, and as the kernel computes with it.
    element: (&'static str, &'static str),
}

impl Stored {
    fn of(ty: &TypeInner) -> Option<Stored> {
        let element = match *ty {
            TypeInner::Scalar(Scalar::F32) => ("f16", "f32"),
            TypeInner::Vector { size: VectorSize::Bi, scalar: Scalar::F32 } => ("vec2<f16>", "vec2<f32>"),
            TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar::F32 } => ("vec4<f16>", "vec4<f32>"),
            _ => return None,
        };
        Some(Stored { element })
    }
}

/// `source` with the arrays `names` of f16, or why that is not possible.
pub(super) fn through_halves(source: &str, module: &naga::Module, names: &[&str]) -> Result<String, String> {
    let mut text = without_comments(source);
    for &name in names {
        let variable = module.global_variables.iter().find(|(_, var)| var.name.as_deref() == Some(name));
        let base = variable.and_then(|(_, var)| match module.types[var.ty].inner {
            TypeInner::Array { base, .. } => Some(&module.types[base].inner),
            _ => None,
        });
        if base.is_some_and(|base| base.scalar() == Some(Scalar::U32)) {
            // Words are copied as they are.
            continue;
        }
        let stored = base.and_then(Stored::of);
        let stored = stored.ok_or_else(|| format!("`{name}` is bound to f16 but is no array of f32"))?;
        text = Rewriter { name, stored }.declared(&text)?;
    }
    Ok(text)
}

struct Rewriter<'n> {
    name: &'n str,
    stored: Stored,
}

impl Rewriter<'_> {
    /// The text with the array's declaration and every use rewritten.
    fn declared(&self, text: &str) -> Result<String, String> {
        let fail = |what: &str| format!("`{}` cannot be stored as f16: {what}", self.name);
        let declaration = words(text).find(|&at| {
            let head = text[..at].trim_end();
            is_name(text, at, self.name)
                && head.ends_with('>')
                && head.contains("var<storage")
                && text[at + self.name.len()..].trim_start().starts_with(':')
        });
        let at = declaration.ok_or_else(|| fail("its declaration is not found"))?;
        let end = at + text[at..].find(';').ok_or_else(|| fail("its declaration has no end"))?;
        if is_shadowed(&text[..at], self.name) || is_shadowed(&text[end..], self.name) {
            return Err(fail("a function gives its name to something else that it indexes"));
        }
        let before = self.uses(&text[..at])?;
        Ok(format!("{before}{}: array<{}>{}", self.name, self.stored.element.0, self.uses(&text[end..])?))
    }

    /// Every read widened, every write rounded.
    fn uses(&self, text: &str) -> Result<String, String> {
        let (half, full) = self.stored.element;
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for word in words(text) {
            if word < at || !is_name(text, word, self.name) {
                continue;
            }
            let Some((open, close)) = text::index(text, word, self.name)? else { continue };
            out += &text[at..word];
            let index = self.uses(&text[open + 1..close])?;
            let element = format!("{}[{index}]", self.name);
            // A component, if one is written.
            let rest = &text[close + 1..];
            let member = rest.strip_prefix('.').map_or("", |m| &rest[..1 + m.find(|c| !is_word(c)).unwrap_or(0)]);
            let tail = rest[member.len()..].trim_start();
            let sign = ["+=", "-=", "*=", "/="].into_iter().find(|s| tail.starts_with(s));
            let stored = tail.starts_with('=') && !tail.starts_with("==");
            if sign.is_none() && !stored {
                out += &format!("{full}({element})");
                at = close + 1;
                continue;
            }
            let value = close + 1 + (rest.len() - tail.len()) + sign.map_or(1, str::len);
            let end = value + text[value..].find(';').ok_or("a statement without an end")?;
            let value = self.uses(&text[value..end])?;
            let (half, full) = if member.is_empty() { (half, full) } else { ("f16", "f32") };
            out += &match sign {
                None => format!("{element}{member} = {half}({value})"),
                Some(sign) => format!("{element}{member} = {half}({full}({element}{member}) {} ({value}))", &sign[..1]),
            };
            at = end;
        }
        Ok(out + &text[at..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "struct K { x: array<f32, 4> }
var<private> k: K;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // x[0]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    y[u32(x[i].y)] = dot(x[i + 1u], x[0]) + k.x[2];
    y[i] += y[i + 1u] * 2.0;
}
";

    fn rewritten(text: &str, names: &[&str]) -> Result<String, String> {
        let module = naga::front::wgsl::parse_str(text).expect("WGSL");
        through_halves(text, &module, names)
    }

    #[test]
    fn reads_are_widened_and_writes_rounded() {
        let text = rewritten(TEXT, &["x", "y"]).expect("only indexed");
        for part in [
            "x: array<vec4<f16>>;",
            "y: array<f16>;",
            "y[u32(vec4<f32>(x[i]).y)] = f16( dot(vec4<f32>(x[i + 1u]), vec4<f32>(x[0])) + k.x[2]);",
            "y[i] = f16(f32(y[i]) + ( f32(y[i + 1u]) * 2.0));",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        naga::front::wgsl::parse_str(&format!("enable f16;\n{text}")).expect("WGSL");
    }

    #[test]
    fn components_are_rounded_alone() {
        let text =
            TEXT.replace("array<f32>;", "array<vec4<f32>>;").replace("y[i] += y[i + 1u] * 2.0;", "y[i].x = 1.0;");
        let text = rewritten(&text.replace("y[u32(x[i].y)] =", "y[0].w ="), &["y"]).expect("only indexed");
        assert!(text.contains("y[i].x = f16( 1.0);") && text.contains("y[0].w = f16("), "{text}");
    }

    #[test]
    fn what_cannot_be_rewritten_is_told() {
        let shadowed = format!("{TEXT}fn f(x: vec4<f32>) -> f32 {{ return x[0]; }}");
        assert!(rewritten(&shadowed, &["x"]).expect_err("shadowed").contains("`x` cannot be stored as f16"));
        assert!(rewritten(TEXT, &["z"]).expect_err("none").contains("`z`"));
    }
}
