//! The report: one self-contained page.

use crate::run::{explain, table};
use crate::verdict::Verdict;

/// The page for these verdicts.
pub fn page(verdicts: &[Verdict]) -> String {
    let mut failures = Vec::new();
    for verdict in verdicts {
        explain(verdict, &mut failures).expect("a vector can always be written to");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>veraft: check</title>\n\
         <h1>veraft: check</h1>\n<pre>{}</pre>\n<pre>{}</pre>\n</html>\n",
        escape(&table(verdicts)),
        escape(&String::from_utf8_lossy(&failures)),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
