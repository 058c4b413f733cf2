//! Finds the text that a row bends, by its file's items and tokens: neither layout nor comments
//! matter, and the same text may stand in other items.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{ImplItem, Item, ItemImpl, TraitItem, Type};

/// A file of Rust, taken apart.
pub struct Source<'a> {
    text: &'a str,
    /// Where each token is; comments are none.
    tokens: Vec<Range<usize>>,
    /// What has a name, and where it is.
    items: Vec<(String, Range<usize>)>,
}

/// Why a text was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// The file cannot be parsed: the parser's complaint.
    NotRust(String),
    /// So many items have the name; one was wanted.
    Item(usize),
    /// The text occurs so often in its item; one was wanted.
    Text(usize),
}

impl Display for Misplaced {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Misplaced::NotRust(complaint) => write!(f, "the file is no Rust: {complaint}"),
            Misplaced::Item(0) => write!(f, "there is no such item"),
            Misplaced::Item(count) => write!(f, "{count} items have this name"),
            Misplaced::Text(count) => write!(f, "its text occurs {count} times there, not once"),
        }
    }
}

impl<'a> Source<'a> {
    /// Takes a file apart.
    ///
    /// # Errors
    /// When the text is no Rust.
    pub fn parse(text: &'a str) -> Result<Source<'a>, Misplaced> {
        let stream =
            TokenStream::from_str(text).map_err(|error| Misplaced::NotRust(error.to_string()))?;
        let mut tokens = Vec::new();
        flatten(stream.clone(), text, &mut tokens);
        let file: syn::File =
            syn::parse2(stream).map_err(|error| Misplaced::NotRust(error.to_string()))?;
        let mut items = Vec::new();
        name_all(&file.items, "", &mut items);
        Ok(Source { text, tokens, items })
    }

    /// Where `wanted` stands in the item called `item`: from its first token to its last.
    ///
    /// An item is called as one would write its path within the file: `f`, `Type`, `Type::f`,
    /// `<Type as Trait>::f`, `module::f`.
    ///
    /// # Errors
    /// When there is no such item, or more than one; when `wanted` does not occur in it, or more
    /// than once.
    pub fn find(&self, item: &str, wanted: &str) -> Result<Range<usize>, Misplaced> {
        let mut called = self.items.iter().filter(|(name, _)| name == item);
        let place = match (called.next(), called.count()) {
            (Some((_, place)), 0) => place,
            (first, others) => return Err(Misplaced::Item(others + usize::from(first.is_some()))),
        };
        let within = |token: &Range<usize>| place.start <= token.start && token.end <= place.end;
        let tokens: Vec<_> = self.tokens.iter().filter(|token| within(token)).cloned().collect();
        let wanted = folded(wanted);
        let found: Vec<_> =
            (0..tokens.len()).filter_map(|first| self.matched(&tokens[first..], &wanted)).collect();
        match &found[..] {
            [place] => Ok(place.clone()),
            places => Err(Misplaced::Text(places.len())),
        }
    }

    /// Whether the tokens begin with `wanted`, whole ones, and where those are. A comma before a
    /// closing bracket, which comes and goes with the layout, may be missing on either side.
    fn matched(&self, tokens: &[Range<usize>], wanted: &str) -> Option<Range<usize>> {
        let start = tokens.first()?.start;
        let mut rest = wanted;
        let mut tokens = tokens.iter().peekable();
        while let Some(token) = tokens.next() {
            let text = folded(&self.text[token.clone()]);
            if let Some(behind) = rest.strip_prefix(&*text) {
                rest = behind;
            } else if is_closing(&text) && rest.starts_with(',') {
                rest = rest[1..].strip_prefix(&*text)?;
            } else {
                let next = &self.text[tokens.peek().copied()?.clone()];
                if text != "," || !is_closing(next) || !rest.starts_with(next) {
                    return None;
                }
                continue;
            }
            if rest.is_empty() {
                return Some(start..token.end);
            }
        }
        None
    }
}

fn is_closing(text: &str) -> bool {
    matches!(text, ")" | "]" | "}")
}

/// Without white space.
fn folded(text: &str) -> String {
    text.split_whitespace().collect()
}

fn flatten(stream: TokenStream, text: &str, tokens: &mut Vec<Range<usize>>) {
    for tree in stream {
        let range = tree.span().byte_range();
        // The parser makes attributes of comments that document.
        if ["//", "/*"].iter().any(|comment| text[range.clone()].starts_with(comment)) {
            continue;
        }
        match tree {
            TokenTree::Group(group) => {
                tokens.push(group.span_open().byte_range());
                flatten(group.stream(), text, tokens);
                tokens.push(group.span_close().byte_range());
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => tokens.push(range),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a new kind of item is one that no row names")]
fn name_all(items: &[Item], before: &str, named: &mut Vec<(String, Range<usize>)>) {
    let mut add = |name: String, range| named.push((format!("{before}{name}"), range));
    for item in items {
        let range = item.span().byte_range();
        match item {
            Item::Const(it) => add(it.ident.to_string(), range),
            Item::Enum(it) => add(it.ident.to_string(), range),
            Item::Fn(it) => add(it.sig.ident.to_string(), range),
            Item::Static(it) => add(it.ident.to_string(), range),
            Item::Struct(it) => add(it.ident.to_string(), range),
            Item::Type(it) => add(it.ident.to_string(), range),
            Item::Trait(it) => {
                for of_it in &it.items {
                    if let TraitItem::Fn(function) = of_it {
                        let range = of_it.span().byte_range();
                        add(format!("{}::{}", it.ident, function.sig.ident), range);
                    }
                }
                add(it.ident.to_string(), range);
            }
            Item::Impl(it) => {
                let owner = owner(it);
                for of_it in &it.items {
                    let range = of_it.span().byte_range();
                    if let ImplItem::Fn(function) = of_it {
                        add(format!("{owner}::{}", function.sig.ident), range);
                    } else if let ImplItem::Const(constant) = of_it {
                        add(format!("{owner}::{}", constant.ident), range);
                    }
                }
            }
            _ => {}
        }
    }
    for item in items {
        if let Item::Mod(module) = item
            && let Some((_, items)) = &module.content
        {
            name_all(items, &format!("{before}{}::", module.ident), named);
        }
    }
}

/// `Type`, or `<Type as Trait>`.
fn owner(it: &ItemImpl) -> String {
    let last = |path: &syn::Path| path.segments.last().map(|segment| segment.ident.to_string());
    // Tuples, references and the like have no name to call them by.
    let Type::Path(own) = &*it.self_ty else { return String::new() };
    let own = last(&own.path).unwrap_or_default();
    match it.trait_.as_ref().and_then(|of| last(&of.0)) {
        Some(name) => format!("<{own} as {name}>"),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        /// Doubles: `x + x`.
        fn double(x: u32) -> u32 { x + x }
        impl Number { fn double(&self) -> u32 { let x = self.0; x + x } }
        impl Twice for Number {
            fn double(&self) -> u32 {
                f(
                    self.0, // `f(self.0)` does it.
                    "a  // b",
                );
                f(self.1)
            }
        }
        mod inner { fn double(xs: u32) { xs + x; /* x */ x } }
        fn double_it() {} fn double_it() {}
    "#;

    fn found(item: &str, wanted: &str) -> Result<String, Misplaced> {
        let source = Source::parse(TEXT)?;
        source.find(item, wanted).map(|place| folded(&TEXT[place]))
    }

    #[test]
    fn a_text_is_found_in_its_item_alone_and_however_it_is_laid_out() {
        assert_eq!(found("double", "x+x").unwrap(), "x+x");
        assert_eq!(found("Number::double", "x\n + x }").unwrap(), "x+x}");
        let place = Source::parse(TEXT).unwrap().find("double", "x + x").unwrap();
        assert_eq!(&TEXT[place.start - 2..place.end + 2], "{ x + x }");
        let in_trait = "<Number as Twice>::double";
        assert!(found(in_trait, "f(self.0, \"a // b\");").unwrap().starts_with("f(self.0,//"));
        assert_eq!(found(in_trait, "f(\nself.1,\n)").unwrap(), "f(self.1)");
        assert_eq!(found("inner::double", "x; x").unwrap(), "x;/*x*/x");
    }

    #[test]
    fn what_is_missing_or_there_more_than_once_is_an_error() {
        assert_eq!(found("triple", "x"), Err(Misplaced::Item(0)));
        assert_eq!(found("double_it", "{}"), Err(Misplaced::Item(2)));
        assert_eq!(found("double", "x - x"), Err(Misplaced::Text(0)));
        assert_eq!(found("double", "x"), Err(Misplaced::Text(3)));
        // Half a token is none, nor is a comment or the item next to it.
        assert_eq!(found("inner::double", "s + x"), Err(Misplaced::Text(0)));
        assert_eq!(found("double", "Doubles"), Err(Misplaced::Text(0)));
        assert_eq!(found("double", "self.0"), Err(Misplaced::Text(0)));
        assert!(matches!(Source::parse("fn {"), Err(Misplaced::NotRust(_))));
    }
}
