//! Names as they are shown: strangers choose them.

/// Whether a character changes how text around it is shown without being shown itself: control
/// characters, marks of direction, invisible characters, line separators, tags.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a text has no characters that hide or reorder others.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(is_invisible)
}

/// The last part of a path, without characters that hide or reorder others, at most `max_bytes`
/// long; `None` if nothing but dots and spaces is left.
#[must_use]
pub fn shown_file_name(path: &str, max_bytes: usize) -> Option<String> {
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut shown: String = last.chars().filter(|&c| !is_invisible(c)).collect();
    while shown.len() > max_bytes {
        shown.pop();
    }
    let shown = shown.trim();
    let says_something = shown.chars().any(|c| c != '.' && !c.is_whitespace());
    says_something.then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folders_and_characters_that_mislead() {
        let shown = |name| shown_file_name(name, 255);
        assert_eq!(shown("../../etc/pass\u{0}wd").as_deref(), Some("passwd"));
        assert_eq!(shown("C:\\me\\selfie.mp4").as_deref(), Some("selfie.mp4"));
        assert_eq!(shown("photo\u{202e}gpj.exe").as_deref(), Some("photogpj.exe"));
        assert_eq!(shown("a\u{2066}b\u{2069}\u{200b}\u{feff}c.png").as_deref(), Some("abc.png"));
        assert_eq!(shown("José 👩‍🚀.jpg").as_deref(), Some("José 👩‍🚀.jpg"));
        for empty in ["a/", "..", ".", " .. ", "x/..", "\u{202e}", ""] {
            assert_eq!(shown(empty), None, "{empty:?}");
        }
        assert_eq!(shown_file_name("éééé", 5).as_deref(), Some("éé"));
    }
}
