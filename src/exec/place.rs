//! Tensors without memory of their own: one that is a piece of a larger one, and one that is written over another. Kernels are
//! written for whole arrays; here their indices are moved, or their names changed, so that every kernel can use such tensors.

use std::fmt;

use super::text::{index, is_name, is_shadowed, without_comments, words};

/// Where a tensor lies in a larger one of the same element type, of four bytes: `rows` runs of `row` elements, the first from
/// element `first` on, each other one `stride` elements behind the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Piece {
    /// How many runs there are.
    pub rows: usize,
    /// The elements of each.
    pub row: usize,
    /// From the beginning of one to that of the next.
    pub stride: usize,
    /// Where the first begins.
    pub first: usize,
}

impl Piece {
    /// A piece; runs that follow each other are one.
    pub fn new(rows: usize, row: usize, stride: usize, first: usize) -> Piece {
        match rows == 1 || row == stride {
            true => Piece { rows: 1, row: rows * row, stride: rows * row, first },
            false => Piece { rows, row, stride, first },
        }
    }

    /// How many elements it has.
    pub fn numel(&self) -> usize {
        self.rows * self.row
    }

    /// Where its element `e` is in the larger tensor.
    pub fn place(&self, e: usize) -> usize {
        self.first + e / self.row * self.stride + e % self.row
    }

    /// Whether it can be read in units of so many elements; and `written`, which must leave alone what is behind a run.
    pub(super) fn is_in(&self, unit: usize, written: bool) -> bool {
        let runs = [self.row, self.stride];
        let whole = || runs.iter().all(|n| n.is_multiple_of(unit));
        self.first.is_multiple_of(unit) && (self.rows == 1 && !written || whole())
    }

    /// The same piece, of a tensor that is itself the piece `outer` of a third: of that, if it is one.
    pub(super) fn of(self, outer: Piece) -> Option<Piece> {
        let begin = self.first / outer.row;
        if outer.rows == 1 {
            return Some(Piece { first: outer.first + self.first, ..self });
        }
        if self.rows == 1 && begin == (self.first + self.row.max(1) - 1) / outer.row {
            return Some(Piece { first: outer.place(self.first), ..self });
        }
        let runs_match = self.stride == outer.row && self.first + self.row <= outer.row;
        runs_match.then(|| Piece { stride: outer.stride, first: outer.first + self.first, ..self })
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Piece { rows, row, stride, first } = self;
        match rows {
            1 => write!(f, "{row} from {first}"),
            _ => write!(f, "{rows}×{row} from {first} by {stride}"),
        }
    }
}

/// Where a kernel finds what it takes for an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The array it is bound to holds more: elements are counted within the piece.
    Piece(Piece),
    /// In another of its arrays, which it writes.
    Over(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Piece(piece) => write!(f, "{piece}"),
            Place::Over(name) => f.write_str(name),
        }
    }
}

/// `source` with its arrays where `places` says, or why that is not possible: a kernel's array may hold elements that do not fit
/// a piece, and be used otherwise than by index.
pub(super) fn through_places(source: &str, module: &naga::Module, places: &[(&str, Place)]) -> Result<String, String> {
    let mut text = without_comments(source);
    for (name, place) in places {
        let fail = |why: &str| format!("`{name}` cannot lie elsewhere: {why}");
        let array = |name: &str| {
            let (_, var) = module.global_variables.iter().find(|(_, var)| var.name.as_deref() == Some(name))?;
            match (&module.types[var.ty].inner, var.space) {
                (&naga::TypeInner::Array { base, stride, .. }, naga::AddressSpace::Storage { access }) => {
                    Some((base, stride, access.contains(naga::StorageAccess::STORE)))
                }
                _ => None,
            }
        };
        let (base, stride, written) = array(name).ok_or_else(|| fail("it is no array"))?;
        let moved = match place {
            Place::Over(other) => {
                let same = array(other).is_some_and(|(other, _, written)| other == base && written);
                if !same || written {
                    return Err(fail("the other array has other elements"));
                }
                indexed(&text, name, &|index| format!("{other}[{index}]"))
            }
            Place::Piece(piece) => {
                let unit = stride as usize / 4;
                if !stride.is_multiple_of(4) || !piece.is_in(unit, written) {
                    return Err(fail("elements that do not fit"));
                }
                let moved = indexed(&text, name, &|index| format!("{name}[place_in_{name}(u32({index}))]"));
                moved.map(|moved| moved + &function(name, *piece, unit))
            }
        };
        text = moved.map_err(|why| fail(&why))?;
        let name = if let Place::Over(other) = place { other } else { *name };
        if is_shadowed(&text, name) {
            return Err(fail("a function gives its name to something else that it indexes"));
        }
    }
    Ok(text)
}

/// What turns an index within a piece into one of the array, whose elements are `unit` words.
fn function(name: &str, Piece { rows, row, stride, first }: Piece, unit: usize) -> String {
    let [row, stride, first] = [row / unit, stride / unit, first / unit];
    let place = match (rows, row) {
        (1, _) => format!("e + {first}u"),
        (_, 1) => format!("e * {stride}u + {first}u"),
        _ => format!("e / {row}u * {stride}u + e % {row}u + {first}u"),
    };
    format!("fn place_in_{name}(e: u32) -> u32 {{\n    return {place};\n}}\n")
}

/// `text` with every `name[index]` as `to` says.
fn indexed(text: &str, name: &str, to: &dyn Fn(&str) -> String) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for word in words(text) {
        if word < at || !is_name(text, word, name) {
            continue;
        }
        match index(text, word, name)? {
            Some((open, close)) => {
                out += &text[at..word];
                out += &to(&indexed(&text[open + 1..close], name, to)?);
                at = close + 1;
            }
            None => {
                let before = text[..word].trim_end();
                // Where a conjunction's second part begins with a variable of that name nothing is taken.
                if before.ends_with('&') && !before.ends_with("&&") {
                    return Err("its address is taken".into());
                }
            }
        }
    }
    Ok(out + &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // x[0]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
fn inside(x: u32, y: u32) -> bool {
    return x > 0u && y > 0u;
}
fn write(e: u32, v: vec4<f32>) {
    y[e >> 2u] = v;
}
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    write(id.x, x[u32(x[id.x].y)] + x[0]);
    z[id.x] = 1.0;
}
";

    fn moved(text: &str, places: &[(&str, Place)]) -> Result<String, String> {
        let module = naga::front::wgsl::parse_str(text).expect("WGSL");
        let text = through_places(text, &module, places)?;
        let module = naga::front::wgsl::parse_str(&text).expect("WGSL");
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
        validator.validate(&module).expect("still valid");
        Ok(text)
    }

    #[test]
    fn indices_are_moved_into_the_piece() {
        let rows = Place::Piece(Piece::new(6, 8, 32, 16));
        let text = moved(TEXT, &[("y", rows.clone()), ("x", rows)]).expect("whole vectors");
        for part in [
            "y[place_in_y(u32(e >> 2u))] = v;",
            "x[place_in_x(u32(u32(x[place_in_x(u32(id.x))].y)))] + x[place_in_x(u32(0))]",
            "return e / 2u * 8u + e % 2u + 4u;",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let text = moved(TEXT, &[("z", Place::Piece(Piece::new(1, 6, 8, 3)))]).expect("single elements");
        assert!(text.contains("return e + 3u;"), "{text}");
        let text = moved(TEXT, &[("z", Place::Piece(Piece::new(4, 1, 8, 3)))]).expect("single elements");
        assert!(text.contains("return e * 8u + 3u;"), "{text}");
    }

    #[test]
    fn an_operand_is_read_from_the_result() {
        let text = moved(TEXT, &[("x", Place::Over("y".into()))]).expect("of one type");
        assert!(text.contains("write(id.x, y[u32(y[id.x].y)] + y[0]);"), "{text}");
        assert!(moved(TEXT, &[("x", Place::Over("z".into()))]).is_err(), "of another type");
        assert!(moved(TEXT, &[("y", Place::Over("x".into()))]).is_err(), "not written");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for piece in
            [Piece::new(6, 8, 32, 2), Piece::new(6, 6, 32, 16), Piece::new(6, 8, 30, 16), Piece::new(1, 6, 6, 4)]
        {
            assert!(moved(TEXT, &[("y", Place::Piece(piece))]).is_err(), "{piece}");
        }
        // What is read past the end of a run does no harm.
        assert!(moved(TEXT, &[("x", Place::Piece(Piece::new(1, 6, 6, 4)))]).is_ok());
        let any = Place::Piece(Piece::new(6, 8, 32, 16));
        for other in ["fn f(y: vec4<f32>) -> f32 { return y[0]; }", "fn g() -> u32 { return arrayLength(&y); }"] {
            assert!(moved(&format!("{TEXT}{other}"), &[("y", any.clone())]).is_err(), "{other}");
        }
    }

    #[test]
    fn a_piece_of_a_piece_is_one_where_its_rows_fit() {
        let places = |piece: Piece| (0..piece.numel()).map(|e| piece.place(e)).collect::<Vec<_>>();
        let outer = [Piece::new(1, 96, 96, 40), Piece::new(6, 16, 40, 8)];
        let inner =
            [Piece::new(6, 4, 16, 8), Piece::new(1, 16, 16, 32), Piece::new(1, 4, 4, 20), Piece::new(3, 4, 32, 0)];
        for (o, i) in outer.iter().flat_map(|o| inner.iter().map(move |i| (*o, *i))) {
            let twice: Vec<usize> = places(i).into_iter().map(|e| o.place(e)).collect();
            match i.of(o) {
                Some(once) => assert_eq!(places(once), twice, "{i} of {o}"),
                None => assert_eq!((o.rows, i.stride), (6, 32), "{i} of {o}"),
            }
        }
    }
}
