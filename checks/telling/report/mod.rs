//! `--report`: one page with everything in it, for the eyes of people.

mod diagram;
mod facts;
mod plots;

use std::collections::BTreeMap;

use askama::Template;
use indicatif::HumanCount;
use serde::Serialize;
use veraft_models::Environment;

pub use diagram::Diagram;

use self::facts::{Fact, facts};
use self::plots::{Plot, plots};
use crate::evidence::saved::{Saved, slug};
use crate::evidence::verdict::{Verdict, Word};
use crate::scopes::extent::Extent;
use crate::scopes::story::Story;
use crate::scopes::trace::conversation;
use crate::telling::recovery::ONE_ORDER;
use crate::telling::summary::summary;

/// The page.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    style: &'static str,
    diagram_style: &'static str,
    script: &'static str,
    failed: bool,
    scopes: Vec<ScopeView>,
    traces: Vec<TraceView>,
}

struct ScopeView {
    name: String,
    failed: bool,
    engine: &'static str,
    bounds: [u64; 5],
    switches: String,
    states: String,
    generated: String,
    depth: String,
    seconds: String,
    memory: String,
    summary: String,
    notes: Vec<String>,
    properties: Vec<PropertyView>,
    plots: Vec<Plot>,
}

struct PropertyView {
    name: &'static str,
    word: &'static str,
    good: bool,
    trace: Option<String>,
}

struct TraceView {
    id: String,
    scope: String,
    property: String,
    violated: bool,
    steps: usize,
    prefix: usize,
    diagram: String,
    text: String,
    test: String,
    data: String,
}

/// What the script on the page steps through.
#[derive(Serialize)]
struct Frames {
    start: Vec<Vec<Fact>>,
    steps: Vec<FrameView>,
}

#[derive(Serialize)]
struct FrameView {
    action: String,
    sent: Vec<String>,
    /// The servers that changed, by number.
    servers: BTreeMap<usize, Vec<Fact>>,
}

/// The page for these verdicts.
pub fn page(verdicts: &[Verdict]) -> Result<String, askama::Error> {
    let mut traces = Vec::new();
    for verdict in verdicts {
        for property in &verdict.properties {
            let Some(saved) = verdict.saved(property) else { continue };
            // Whatever a search made can be made again; if not, the text of the trace is all
            // there is to see, and the table has that.
            let Ok(story) = saved.tell() else { continue };
            traces.push(trace(&saved, &story, property.verdict == Word::Violated)?);
        }
    }
    // What failed comes first.
    traces.sort_by_key(|trace| !trace.violated);
    Page {
        style: include_str!("style.css"),
        diagram_style: include_str!("diagram.css"),
        script: include_str!("script.js"),
        failed: verdicts.iter().any(Verdict::is_failure),
        scopes: verdicts.iter().map(scope).collect(),
        traces,
    }
    .render()
}

/// The page for a trace alone.
pub fn page_of(saved: &Saved, story: &Story) -> Result<String, askama::Error> {
    let violated = story.violations().next().is_some();
    Page {
        style: include_str!("style.css"),
        diagram_style: include_str!("diagram.css"),
        script: include_str!("script.js"),
        failed: violated,
        scopes: Vec::new(),
        traces: vec![trace(saved, story, violated)?],
    }
    .render()
}

fn trace_id(scope: &str, property: &str) -> String {
    slug(&[scope, property])
}

fn scope(verdict: &Verdict) -> ScopeView {
    let Extent { bounds, environment, .. } = verdict.extent;
    let Environment {
        symmetry,
        keep_dead_letters,
        audit,
        torn,
        blanks,
        proposals,
        vouched,
        repeats,
        pipelines,
        saturation,
        antichain,
        batch,
    } = environment;
    let switch = |on: bool, name: &str| on.then(|| name.to_owned());
    let switches = [
        switch(symmetry, "symmetry"),
        switch(keep_dead_letters, "dead letters kept"),
        switch(audit, "audit"),
        switch(torn, "torn steps"),
        switch(blanks, "blanks"),
        switch(proposals, "proposals to any server, and of two commands"),
        switch(vouched, "images of anybody"),
        switch(repeats, "repeats at any moment"),
        switch(pipelines, "entries sent ahead"),
        switch(saturation, "saturation"),
        switch(antichain, "antichain"),
        batch.map(|most| format!("batches of at most {most}")),
    ];
    let mut notes = verdict.changed.clone();
    if !verdict.exhausted && verdict.with(Word::Violated).next().is_some() {
        notes.push("stopped at the first violation".to_owned());
    } else if !verdict.exhausted {
        notes.push("not exhausted: what lies beyond is unknown".to_owned());
    }
    if verdict.recovery.as_ref().is_some_and(|tried| !tried.every_order) {
        notes.push(ONE_ORDER.to_owned());
    }
    let property = |property: &crate::evidence::verdict::PropertyVerdict| PropertyView {
        name: property.name,
        word: property.verdict.text(),
        good: matches!(property.verdict, Word::Holds | Word::Found),
        trace: verdict.saved(property).map(|_| trace_id(&verdict.scope, property.name)),
    };
    ScopeView {
        name: verdict.scope.clone(),
        failed: verdict.is_failure(),
        engine: verdict.engine,
        bounds: [
            bounds.servers as u64,
            bounds.terms,
            bounds.entries,
            u64::from(bounds.restarts),
            u64::from(bounds.compactions),
        ],
        switches: switches.into_iter().flatten().collect::<Vec<_>>().join(", "),
        states: HumanCount(verdict.unique_states).to_string(),
        generated: HumanCount(verdict.generated_states).to_string(),
        depth: verdict.depth_in_words(),
        seconds: format!("{:.1}", verdict.seconds),
        memory: format!("{} MiB", verdict.peak_rss_bytes >> 20),
        summary: summary(verdict),
        notes,
        properties: verdict.properties.iter().map(property).collect(),
        plots: plots(&verdict.levels),
    }
}

fn trace(saved: &Saved, story: &Story, violated: bool) -> Result<TraceView, askama::Error> {
    let first = saved.prefix.len();
    let found = (!violated).then_some(saved.property.as_str());
    let steps = story.steps().split_off(first);
    let states = |place: usize| &story.before(place).visible.nodes;
    let frame = |(place, step): (usize, &crate::scopes::trace::Step)| {
        let pairs = states(first + place).iter().zip(states(first + place + 1)).enumerate();
        let changed = pairs.filter(|(_, (before, after))| before.value != after.value);
        FrameView {
            action: step.action.clone(),
            sent: step.sent.clone(),
            servers: changed.map(|(server, (_, after))| (server, facts(after))).collect(),
        }
    };
    let frames = Frames {
        start: states(first).iter().map(|node| facts(node)).collect(),
        steps: steps.iter().enumerate().map(frame).collect(),
    };
    let data =
        serde_json::to_string(&frames).map_err(|error| askama::Error::Custom(error.into()))?;
    Ok(TraceView {
        id: trace_id(&saved.scope, &saved.property),
        scope: saved.scope.clone(),
        property: saved.property.clone(),
        violated,
        steps: saved.steps.len(),
        prefix: first,
        diagram: Diagram::new(story, first, found).render()?,
        text: conversation(&steps),
        test: crate::telling::regression::test(saved),
        // JSON in a script element ends at the first `<`, whatever quotes stand around it.
        data: data.replace('<', "\\u003c"),
    })
}
