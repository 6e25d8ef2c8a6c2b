//! From a position in joined text to the file and line it came from.

/// Begins the line that says which file follows.
pub(crate) const FILE_MARK: &str = "//# file ";

/// Where the files of joined text begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    shader: &'a str,
}

impl<'a> Lines<'a> {
    pub(super) fn new(shader: &'a str, text: &'a str) -> Self {
        Lines { text, shader }
    }

    /// Bytes of the text.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The file and line of a byte of the text; lines before the first mark count as the shader's.
    pub(super) fn locate(&self, byte: usize) -> (String, u32) {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let mark = before.rfind(FILE_MARK).filter(|&at| at == 0 || before.as_bytes()[at - 1] == b'\n');
        let (file, begin) = match mark {
            Some(at) => {
                let name = &self.text[at + FILE_MARK.len()..];
                (
                    name.lines().next().unwrap_or_default().trim(),
                    at + name.find('\n').map_or(0, |n| n + FILE_MARK.len() + 1),
                )
            }
            None => (self.shader, 0),
        };
        let lines = before.get(begin..).map_or(0, |part| part.matches('\n').count());
        (file.to_string(), lines as u32 + 1)
    }

    /// The text of a range on one line, cut short if long.
    pub(super) fn excerpt(&self, range: std::ops::Range<usize>) -> String {
        const LONGEST: usize = 48;
        let words: Vec<&str> = self.text.get(range).unwrap_or_default().split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_in_its_file() {
        let text = "const A = 1;\n//# file a/b.wgsl\nfirst\nsecond\n//# file c.wgsl\nx";
        let lines = Lines::new("main.wgsl", text);
        let at = |word: &str| lines.locate(text.find(word).expect("there"));
        assert_eq!(at("A = 1"), ("main.wgsl".into(), 1));
        assert_eq!(at("first"), ("a/b.wgsl".into(), 1));
        assert_eq!(at("second"), ("a/b.wgsl".into(), 2));
        assert_eq!(lines.locate(text.len() - 1), ("c.wgsl".into(), 1));
        assert_eq!(lines.excerpt(0..14), "const A = 1; /");
        assert_eq!(Lines::new("", &"x".repeat(99)).excerpt(0..99).chars().count(), 49);
    }
}
