//! Where the core cites the rules.

/// The files of the core.
const CORE: &[(&str, &str)] = &[
    ("append_entries.rs", include_str!("../../../src/figure2/append_entries.rs")),
    ("breach.rs", include_str!("../../../src/figure2/breach.rs")),
    ("install_snapshot.rs", include_str!("../../../src/figure2/install_snapshot.rs")),
    ("log.rs", include_str!("../../../src/figure2/log.rs")),
    ("mod.rs", include_str!("../../../src/figure2/mod.rs")),
    ("request_vote.rs", include_str!("../../../src/figure2/request_vote.rs")),
    ("rules.rs", include_str!("../../../src/figure2/rules.rs")),
    ("state.rs", include_str!("../../../src/figure2/state.rs")),
];

/// A citation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The rule's id.
    pub id: String,
    /// The file, in `src/figure2`.
    pub file: &'static str,
    /// The function or field whose doc comment it is.
    pub item: String,
}

/// Every citation in the core, in the order of the files.
pub fn citations() -> Vec<Citation> {
    CORE.iter().flat_map(|&(file, text)| citations_in(file, text)).collect()
}

fn citations_in(file: &'static str, text: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            let quoted = doc.split('`').skip(1).step_by(2);
            ids.extend(quoted.filter(|word| is_id(word)).map(str::to_owned));
        } else if !line.starts_with('#') && !ids.is_empty() {
            let item = item_of(line);
            let cite = |id| Citation { id, file, item: item.clone() };
            found.extend(ids.drain(..).map(cite));
        }
    }
    found
}

/// Whether `word` has the form of an id: capitals, a point, a number, perhaps a small letter.
pub(super) fn is_id(word: &str) -> bool {
    let Some((section, number)) = word.split_once('.') else { return false };
    let number = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let all =
        |text: &str, test: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| test(&c));
    all(section, char::is_ascii_uppercase) && all(number, char::is_ascii_digit)
}

/// The name of the item that a line begins: `name()` of a function.
fn item_of(line: &str) -> String {
    let (prefix, rest) = match line.split_once("fn ") {
        Some((_, rest)) => ("fn", rest),
        None => ("", line.trim_start_matches("pub ")),
    };
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if prefix == "fn" { name + "()" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_names_the_item_behind_its_comment() {
        let text = "
            /// A field. `PS.9`: as said in `rules.rs`.
            #[serde(default)]
            pub current: Term,
            /// `CA.9a`: something.
            /// `CA.9b`: something else.
            pub(super) fn start_it(&mut self) {
                // `RV.9` is not a doc comment.
            }
        ";
        let found = citations_in("x.rs", text);
        let found: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.item.as_str())).collect();
        assert_eq!(found, [("PS.9", "current"), ("CA.9a", "start_it()"), ("CA.9b", "start_it()")]);
    }
}
