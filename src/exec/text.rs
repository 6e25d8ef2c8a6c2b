//! What the rewriters of kernels share: words, brackets and comments of WGSL text.

use super::sanitize::FILE_MARK;

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where words begin.
pub(super) fn words(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut before = ' ';
    text.char_indices().filter_map(move |(at, c)| {
        let begins = is_word(c) && !is_word(before);
        before = c;
        begins.then_some(at)
    })
}

/// Whether the word at `at` is `name`, and no member of something.
pub(super) fn is_name(text: &str, at: usize, name: &str) -> bool {
    let rest = &text[at..];
    rest.starts_with(name) && !rest[name.len()..].starts_with(is_word) && !text[..at].ends_with('.')
}

/// The bracket that opens right behind the word `name` at `at`, if one does, and the one that closes it.
pub(super) fn index(text: &str, at: usize, name: &str) -> Result<Option<(usize, usize)>, String> {
    let open = at + name.len();
    let open = open + (text[open..].len() - text[open..].trim_start().len());
    if !text[open..].starts_with('[') {
        return Ok(None);
    }
    let close = closing(&text[open..], ['[', ']']).ok_or("a bracket that is not closed")?;
    Ok(Some((open, open + close)))
}

/// The bracket that closes the one `text` begins with.
pub(super) fn closing(text: &str, [opens, closes]: [char; 2]) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(at, c)| {
        if c == opens {
            depth += 1;
        } else if c == closes {
            depth -= 1;
        }
        (depth == 0).then_some(at)
    })
}

/// Whether a function both declares `name` and indexes it.
pub(super) fn is_shadowed(text: &str, name: &str) -> bool {
    text.split("fn ").any(|function| {
        let uses = || words(function).filter(|&at| is_name(function, at, name));
        let after = |at: usize| function[at + name.len()..].trim_start();
        let declares = |at: usize| {
            let head = function[..at].trim_end();
            ["let", "var", "const"].iter().any(|k| head.ends_with(k)) || after(at).starts_with(':')
        };
        uses().any(declares) && uses().any(|at| after(at).starts_with('['))
    })
}

/// Line comments blanked, so that words in them do not count, but for the marks that say which file follows.
pub(super) fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split_once("//").map_or(line, |(code, _)| code).trim_end().to_string();
    let line = |line: &str| if line.starts_with(FILE_MARK) { line.to_string() } else { code(line) } + "\n";
    text.lines().map(line).collect()
}
