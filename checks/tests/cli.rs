//! The command line as scripts see it: exit statuses, JSON, and one clear line for bad usage.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(arguments).output().expect("the binary was built with this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json_lines(output: &Output) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).expect("each line is one JSON object");
    text(&output.stdout).lines().map(parse).collect()
}

#[test]
fn an_exhausted_scope_is_told_in_json_and_exits_with_0() {
    let output = check(&["run", "single", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 1);
    let verdict = &lines[0];
    assert_eq!(verdict["scope"], "single");
    assert_eq!(verdict["engine"], "stateright");
    assert_eq!(verdict["exhausted"], true);
    assert_eq!(verdict["unique_states"], 50);
    for property in verdict["properties"].as_array().expect("a list") {
        let passed = ["holds", "found"].iter().any(|word| property["verdict"] == *word);
        assert!(passed, "{property}");
    }
}

#[test]
fn a_reachability_has_a_trace_that_can_be_followed() {
    let output = check(&["run", "pair", "--json", "--terms", "1", "--restarts", "0"]);
    let verdict = &json_lines(&output)[0];
    let properties = verdict["properties"].as_array().expect("a list");
    let committed = properties.iter().find(|p| p["name"] == "an entry is committed");
    let trace = committed.expect("the scope has entries")["trace"].as_array().expect("a path");
    assert_eq!(trace[0]["action"], "S0's election timer fires");
    assert_eq!(trace[0]["sent"][0], "S0 to S1: RequestVote term 1, last log 0 of term 0");
    let last = trace.last().expect("it takes a few steps");
    assert!(text(last["changed"].to_string().as_bytes()).contains("commit 1"), "{last}");
}

#[test]
fn bounds_of_ones_own_are_not_compared_with_pinned_counts() {
    let output = check(&["run", "election", "--servers", "5", "--terms", "1", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(json_lines(&output)[0]["bounds"]["servers"], 5);
}

#[test]
fn both_workers_together_find_the_same_and_show_no_depth() {
    let page = format!("{}/two-workers.html", env!("CARGO_TARGET_TMPDIR"));
    let run = |workers| {
        let args = ["run", "even", "--json", "--report", &page, "--workers", workers];
        let output = check(&args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let row = text(&output.stderr).lines().nth(1).unwrap_or_default().to_owned();
        let depth = row.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let page = fs::read_to_string(&page).expect("it was written");
        (json_lines(&output).remove(0), depth, page)
    };
    let ((one, depth, page), (two, none, plain)) = (run("1"), run("2"));
    assert_eq!(one["unique_states"], two["unique_states"]);
    assert_eq!(one["depth"].to_string(), depth);
    assert!(page.contains("new states per depth"));
    // Two do not wait for each other at the end of a level: their paths are not shortest.
    assert_eq!((&two["depth"], none.as_str()), (&Value::Null, "-"));
    assert_eq!(two["levels"].as_array().map(Vec::len), Some(0));
    assert!(plain.contains(&format!("<td class=\"n\">{none}<")));
    assert!(!plain.contains("new states per depth"));
}

#[test]
fn bad_usage_is_one_clear_line_and_exits_with_2() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let nowhere = format!("{folder}/no/such/folder/report.html");
    let cases: &[(&[&str], &str)] = &[
        (&["run", "elections"], "no scope is called \"elections\""),
        (&["run", "election", "--servers", "0"], "at least 1 server"),
        (&["run", "election", "--servers", "8"], "--no-symmetry"),
        (&["run", "election", "--terms", "0"], "at least 1"),
        (&["run", "election", "--terms", "18446744073709551615"], "room"),
        (&["run", "election", "--property", "Safety"], "no property is called"),
        (&["run", "actor-model", "--audit"], "no reductions"),
        (&["run"], "<SCOPE>"),
        (&["explode"], "explode"),
        (&["run", "election", "--workers", "0"], "--workers"),
        (&["run", "single", "--report", &nowhere], "cannot write the report"),
        (&["mutants", "A1", "Z9"], "no mutant is called \"Z9\""),
    ];
    for (arguments, expected) in cases {
        let output = check(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let complaint = text(&output.stderr);
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
        assert_eq!(complaint.trim_end().lines().count(), 1, "{arguments:?}: {complaint}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn simulate_lists_what_it_knows() {
    for arguments in [&["simulate"][..], &["simulate", "nothing-of-the-kind"]] {
        let output = check(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let list = text(&output.stderr);
        let words: Vec<&str> = list.split_whitespace().collect();
        for name in ["all", "2A", "extra", "initial-election", "catch-up", "figure-7", "five"] {
            assert!(words.contains(&name), "{name} in {list}");
        }
        // It has no walks.
        assert!(!words.contains(&"actor-model"), "{list}");
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    }
}

/// Results, for people or as JSON, are on stdout; with JSON, what people read is beside it.
#[test]
fn results_go_to_stdout() {
    for command in ["run", "recover"] {
        let output = check(&[command, "single"]);
        assert!(text(&output.stdout).contains("verdict") || command == "recover");
        assert!(text(&output.stdout).contains("every state"), "{command}");
        assert_eq!(text(&output.stderr), "", "{command}");
        let output = check(&[command, "single", "--json"]);
        assert_eq!(json_lines(&output).len(), 1);
        assert!(text(&output.stderr).contains("every state"), "{command}");
        // Before the command, it is the same option.
        assert_eq!(json_lines(&check(&["--json", command, "single"])).len(), 1);
    }
    assert_eq!(check(&["list"]).stderr, b"");
}

/// Two commands in a message are one more than one; there are no half ones.
#[test]
fn a_batch_is_one_of_commands() {
    let states = |batch: &[&str]| {
        let bounds = ["run", "pair", "--terms", "1", "--entries", "3", "--restarts", "0"];
        let output = check(&[&bounds[..], &["--json"], batch].concat());
        json_lines(&output)[0]["unique_states"].as_u64().expect("a number")
    };
    let [one, two, three, any] =
        [&["--batch", "1"][..], &["--batch", "2"], &["--batch", "3"], &[]].map(states);
    assert!(one != two && two != any, "{one}, {two}, {any} states");
    // The log has three entries at most, and the first is sent before there is a second.
    assert_eq!(three, any);
}

#[test]
fn the_list_names_scopes_and_properties() {
    let output = check(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    for expected in ["election", "replication", "806,076", "Election Safety", "a leader is deposed"]
    {
        assert!(list.contains(expected), "{expected} in {list}");
    }
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
}

/// What stands in `page` between `begin` and the next `end`, each time.
fn each<'p>(page: &'p str, begin: &str, end: &str) -> Vec<&'p str> {
    let parts = page.split(begin).skip(1);
    parts.map(|part| part.split(end).next().unwrap_or_default()).collect()
}

/// It loads nothing, its links lead into itself, and it has every verdict and every trace whole.
#[test]
fn a_report_is_one_page() {
    let path = format!("{}/single.html", env!("CARGO_TARGET_TMPDIR"));
    let output = check(&["run", "single", "--json", "--report", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let verdict = &json_lines(&output)[0];
    let page = std::fs::read_to_string(&path).expect("the report was written");

    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for once in ["<html", "</html>", "<title>veraft", "<main>", "</main>"] {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
    // The name of SVG, which nobody looks up.
    let alone = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http:", "https:", " src=", "@import", "url(", "<iframe", "fetch("] {
        assert!(!alone.contains(outside), "{outside}");
    }
    let ids = each(&page, " id=\"", "\"");
    let mut links = each(&page, "href=\"", "\"");
    links.retain(|link| *link != "data:,");
    for link in &links {
        let id = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the page"));
        assert_eq!(ids.iter().filter(|known| **known == id).count(), 1, "{link}");
    }

    let told = each(&page, "<li><span class=\"good\">", "\n");
    let traces = each(&page, "<script type=\"application/json\">", "</script>");
    let mut traces = traces.iter().map(|data| {
        let trace: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
        trace["steps"].as_array().expect("a list").len()
    });
    let properties = verdict["properties"].as_array().expect("a list");
    assert_eq!(told.len(), properties.len());
    for (told, property) in told.iter().zip(properties) {
        let [name, word] = ["name", "verdict"].map(|key| property[key].as_str().expect("a text"));
        assert!(told.starts_with(word) && told.contains(name), "{told}: {property}");
        if let Some(trace) = property["trace"].as_array() {
            assert_eq!(traces.next(), Some(trace.len()), "{name}");
            assert!(told.contains("<a href=\"#"), "{told}");
        }
    }
    assert_eq!(traces.next(), None);
    assert_eq!(links.len(), ids.len(), "each part is led to once, from the table or the list");
    let row = each(&page, "<td class=\"n\">", "<");
    let [states, depth] = ["unique_states", "depth"].map(|key| verdict[key].to_string());
    assert!(row.contains(&states.as_str()) && row.contains(&depth.as_str()), "{row:?}");
}
