//! What has to be proved: that each lemma holds at the first start, that each action keeps it, and
//! that what is said to follow does.

use super::actions::{ACTIONS, AbstractAction, Transition};
use super::cuts::{CUTS, Cut};
use super::formula::{Expr, Origin, Shape, Sort, Var, all, and, vars};
use super::lemmas::{self, Layer, Lemma, Proof};
use super::symbols::{AbstractState, Subject, Symbol};

/// What has to be proved.
#[derive(Clone, Debug)]
pub struct Obligation {
    /// Its name: what happens, and what is to hold then.
    pub name: String,
    /// What happens.
    pub moment: Moment,
    /// The parts; each is a question of its own.
    pub cases: Vec<Case>,
}

/// When something is to hold.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// At the first start of all servers.
    Start,
    /// After an action.
    After(&'static AbstractAction),
    /// Whenever an action can happen.
    Before(&'static AbstractAction),
    /// In any state.
    Always,
}

/// One question: does the goal follow?
#[derive(Clone, Debug)]
pub struct Case {
    /// What is taken for granted.
    pub given: Vec<Expr>,
    /// What is to follow. Its variables are witnesses, and parameters of the action.
    pub goal: Expr,
}

/// The first start: everything is 0, empty and false.
pub fn start() -> Expr {
    const LATER: &[Symbol] = &[
        // Nothing is said of what no log reaches.
        Symbol::LogTerm,
        Symbol::TermTerm,
    ];
    let now = AbstractState::default();
    let begins = |symbol: &&Symbol| {
        matches!(symbol.kind(), Subject::Server | Subject::Letters | Subject::History)
            && !LATER.contains(symbol)
    };
    and(Symbol::ALL.iter().filter(begins).filter_map(|&symbol| {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let place = |(name, sort)| Var { name, sort, origin: Origin::Bound };
        let places: Vec<Var> =
            NAMES.into_iter().zip(symbol.args().iter().copied()).map(place).collect();
        let value = now.apply(symbol, places.iter().map(|&var| var.into()).collect());
        let first = match symbol.result() {
            Sort::Truth => !value,
            Sort::Term | Sort::Index => value.is(0),
            Sort::Server | Sort::Quorum | Sort::Request | Sort::Payload => return None,
        };
        Some(Expr::from(Shape::All(places, first, Vec::new())))
    }))
}

/// Any two quorums share a server.
pub fn quorums_share() -> Expr {
    let now = AbstractState::default();
    let [q, p] = vars(["q", "p"]);
    let shared = now.shared(q, p);
    all([q, p], now.member(shared, q) & now.member(shared, p)).by([shared])
}

/// What [`Symbol::Choosable`] means, in the state `at`.
pub fn choosable_means(at: &AbstractState) -> Expr {
    let [q, t, i] = vars(["q", "t", "i"]);
    let it = at.choosable(q, t, i);
    all([q, t, i], it.is(choosable(at, q, t, i))).by([it])
}

/// The definition of [`Symbol::Choosable`].
pub fn choosable(at: &AbstractState, q: Expr, t: Expr, i: Expr) -> Expr {
    let [s] = vars(["s"]);
    let may = i.at_most(at.held(s, t)) | at.current_term(s).at_most(t);
    all([s], at.member(s, q).implies(may))
}

/// What may be committed after an action might be before.
fn choosable_stays(after: &AbstractState) -> Expr {
    let before = AbstractState::default();
    let [q, t, i] = vars(["q", "t", "i"]);
    let now = after.choosable(q, t, i);
    all([q, t, i], now.implies(before.choosable(q, t, i))).by([now])
}

/// Lemmas that higher layers do not see: they speak of each voter, and would only distract.
const LOCAL: &[&str] =
    &["one_vote", "vote_held_was_cast", "vote_told_was_cast", "leader_elected", "election_safety"];

/// Everything that has to be proved, with the shipped actions.
pub fn obligations() -> Vec<Obligation> {
    let system: Vec<_> = ACTIONS.iter().map(|action| (action, (action.step)())).collect();
    obligations_of(&system)
}

/// Everything that has to be proved where actions have these steps.
pub fn obligations_of(system: &[(&'static AbstractAction, Transition)]) -> Vec<Obligation> {
    let lemmas = lemmas::all();
    let mut all: Vec<Obligation> = lemmas.clone().map(at_start).collect();
    all.extend(lemmas.clone().filter_map(followed));
    for (action, step) in system {
        let cuts = CUTS.iter().filter(|cut| cut.action == action.name);
        all.extend(cuts.map(|one| cut(action, step, one)));
        if step.after.moves_choosable() {
            all.push(stays(action, step));
        }
        all.extend(lemmas.clone().filter_map(|lemma| kept(action, step, lemma)));
    }
    all
}

fn at_start(lemma: &'static Lemma) -> Obligation {
    let now = AbstractState::default();
    let given = vec![start(), choosable_means(&now)];
    Obligation {
        name: format!("start/{}", lemma.name),
        moment: Moment::Start,
        cases: cases((lemma.holds)(&now), None, &given),
    }
}

fn followed(lemma: &'static Lemma) -> Option<Obligation> {
    let Proof::Follows(from) = lemma.proof else { return None };
    let now = AbstractState::default();
    let mut given = vec![choosable_means(&now), quorums_share()];
    given.extend(from.iter().map(|name| (lemmas::lemma(name).holds)(&now)));
    Some(Obligation {
        name: format!("follows/{}", lemma.name),
        moment: Moment::Always,
        cases: cases((lemma.holds)(&now), None, &given),
    })
}

fn cut(action: &'static AbstractAction, step: &Transition, cut: &'static Cut) -> Obligation {
    let mut given = named(cut.from, action, step);
    given.extend([quorums_share(), step.guard]);
    given.push(choosable_means(&AbstractState::default()));
    Obligation {
        name: format!("{}/{}", action.name, cut.name),
        moment: Moment::Before(action),
        cases: cases((cut.holds)(step), None, &given),
    }
}

/// Lemmas, and cuts of the action, by their names.
fn named(names: &[&str], action: &AbstractAction, step: &Transition) -> Vec<Expr> {
    let now = AbstractState::default();
    let formula = |name: &&str| {
        let cut = CUTS.iter().find(|cut| cut.action == action.name && cut.name == *name);
        match cut {
            Some(cut) => (cut.holds)(step),
            None => (lemmas::lemma(name).holds)(&now),
        }
    };
    names.iter().map(formula).collect()
}

fn stays(action: &'static AbstractAction, step: &Transition) -> Obligation {
    let now = AbstractState::default();
    let mut given = vec![choosable_means(&now), choosable_means(&step.after), step.guard];
    given.extend(named(&["held_within_the_term"], action, step));
    Obligation {
        name: format!("{}/choosable stays", action.name),
        moment: Moment::After(action),
        cases: cases(choosable_stays(&step.after), None, &given),
    }
}

/// That `action` keeps `lemma`; none if it touches nothing of it.
fn kept(
    action: &'static AbstractAction,
    step: &Transition,
    lemma: &'static Lemma,
) -> Option<Obligation> {
    if lemma.proof != Proof::Induction {
        return None;
    }
    let now = AbstractState::default();
    let (before, after) = ((lemma.holds)(&now), (lemma.holds)(&step.after));
    if before == after {
        return None;
    }
    let mut given = all_below(action, step, lemma.layer);
    given.push(step.guard);
    let speaks = |symbol| after.symbols().contains(&symbol) || before.symbols().contains(&symbol);
    if speaks(Symbol::Choosable) || speaks(Symbol::ChoosableAfter) {
        given.push(choosable_means(&now));
        if step.after.moves_choosable() {
            given.extend([choosable_means(&step.after), choosable_stays(&step.after)]);
        }
    }
    Some(Obligation {
        name: format!("{}/{}", action.name, lemma.name),
        moment: Moment::After(action),
        cases: cases(after, Some(before), &given),
    })
}

fn all_below(action: &AbstractAction, step: &Transition, layer: Layer) -> Vec<Expr> {
    let now = AbstractState::default();
    let seen = |lemma: &&&Lemma| {
        lemma.layer <= layer && (layer == Layer::Votes || !LOCAL.contains(&lemma.name))
    };
    let lemmas: Vec<_> = lemmas::all().collect();
    let lemmas = lemmas.iter().filter(seen).map(|lemma| (lemma.holds)(&now));
    let cuts = CUTS.iter().filter(|cut| cut.action == action.name && cut.layer <= layer);
    lemmas.chain(cuts.map(|cut| (cut.holds)(step))).collect()
}

/// A question for each part of `goal` that is not what it was before: it is asked of witnesses, and
/// the same part of what was before is given for the same witnesses.
fn cases(goal: Expr, before: Option<Expr>, given: &[Expr]) -> Vec<Case> {
    let case = |(part, before): (Expr, Option<Expr>)| {
        let asked = |of: Expr| match (part.node(), of.node()) {
            (Shape::All(vars, ..), Shape::All(_, body, _)) => witnessed(vars, *body),
            _ => of,
        };
        let given = given.iter().copied().chain(before.map(asked)).collect();
        (Some(part) != before).then(|| Case { given, goal: asked(part) })
    };
    let parts = goal.conjuncts();
    let before = match before {
        Some(before) => before.conjuncts().into_iter().map(Some).collect(),
        None => vec![None; parts.len()],
    };
    parts.into_iter().zip(before).filter_map(case).collect()
}

fn witnessed(vars: &[Var], body: Expr) -> Expr {
    let witness = |&var: &Var| (var, Expr::from(Var { origin: Origin::Witness, ..var }));
    body.with(&vars.iter().map(witness).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    use crate::evidence::proof::evaluate::Ready;
    use crate::evidence::proof::tables::Tables;

    fn holds_before(lemma: &Lemma) -> Expr {
        (lemma.holds)(&AbstractState::default())
    }

    #[test]
    fn an_action_that_touches_a_lemma_has_to_keep_it() {
        let all = obligations();
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "two have one name");
        for action in ACTIONS {
            let step = (action.step)();
            let mut changed: BTreeSet<Symbol> = step.after.updates().keys().copied().collect();
            if step.after.moves_choosable() {
                changed.insert(Symbol::Choosable);
            }
            for lemma in lemmas::all().filter(|lemma| lemma.proof == Proof::Induction) {
                let touches = !holds_before(lemma).symbols().is_disjoint(&changed);
                let name = format!("{}/{}", action.name, lemma.name);
                assert_eq!(names.contains(&*name), touches, "{name}");
            }
        }
        for lemma in lemmas::all() {
            assert!(names.contains(&*format!("start/{}", lemma.name)), "{}", lemma.name);
            let follows = names.contains(&*format!("follows/{}", lemma.name));
            assert_eq!(follows, lemma.proof != Proof::Induction, "{}", lemma.name);
        }
    }

    #[test]
    fn at_the_start_everything_is_nothing() {
        let start = Ready::new(start(), &[]);
        let sorts = [Sort::Server, Sort::Quorum, Sort::Request, Sort::Payload];
        let numbers = [Sort::Term, Sort::Index];
        let nothing = Tables::new(sorts.map(|s| (s, 1)).into_iter().chain(numbers.map(|s| (s, 2))));
        assert!(start.holds(&nothing, &[]));
        // What no log reaches, and who or what is named by nothing, may be anything.
        let free = |symbol: Symbol| {
            [Symbol::LogTerm, Symbol::TermTerm].contains(&symbol)
                || !matches!(symbol.result(), Sort::Truth | Sort::Term | Sort::Index)
                || matches!(symbol.kind(), Subject::Fixed | Subject::Defined)
        };
        for &symbol in Symbol::ALL {
            let mut something = nothing.clone();
            something.set(symbol, &vec![0; symbol.args().len()], 1);
            assert_eq!(start.holds(&something, &[]), free(symbol), "{symbol:?}");
        }
    }

    /// A circle of lemmas that follow from each other would prove anything.
    #[test]
    fn what_follows_does_so_from_what_is_proved_without_it() {
        fn rests_on(name: &str, above: &[&str]) {
            assert!(!above.contains(&name), "{name} follows from itself: {above:?}");
            if let Proof::Follows(from) = lemmas::lemma(name).proof {
                from.iter().for_each(|other| rests_on(other, &[above, &[name]].concat()));
            }
        }
        lemmas::all().for_each(|lemma| rests_on(lemma.name, &[]));
        for (place, cut) in CUTS.iter().enumerate() {
            for name in cut.from.iter().filter(|name| !lemmas::all().any(|l| l.name == **name)) {
                let same = |other: &Cut| other.action == cut.action && other.name == *name;
                assert!(CUTS[..place].iter().any(same), "{} rests on {name}", cut.name);
            }
        }
    }

    #[test]
    fn nothing_is_taken_for_granted_but_what_is_proved_or_defined() {
        let now = AbstractState::default();
        let lemmas: Vec<Expr> = lemmas::all().map(holds_before).collect();
        for Obligation { name, moment, cases, .. } in obligations() {
            let mut known = vec![quorums_share(), choosable_means(&now)];
            match moment {
                Moment::Start => known.push(start()),
                Moment::Always => known.extend(&lemmas),
                Moment::Before(action) | Moment::After(action) => {
                    let step = (action.step)();
                    known.extend(&lemmas);
                    let cuts = CUTS.iter().filter(|cut| cut.action == action.name);
                    known.extend(cuts.map(|cut| (cut.holds)(&step)));
                    let defined = [choosable_means(&step.after), choosable_stays(&step.after)];
                    known.extend(defined);
                    known.push(step.guard);
                }
            }
            for case in &cases {
                // The lemma before, for the witnesses of the goal.
                let instance = |given: &Expr| {
                    lemmas.iter().flat_map(|lemma| lemma.conjuncts()).any(|part| {
                        let Shape::All(vars, body, _) = part.node() else { return part == *given };
                        witnessed(vars, *body) == *given
                    })
                };
                let strange = case.given.iter().find(|g| !known.contains(g) && !instance(g));
                assert_eq!(strange, None, "{name}");
                assert!(!case.given.contains(&case.goal), "{name} is given what it has to prove");
            }
        }
    }

    #[test]
    fn the_goal_is_asked_of_witnesses_alone() {
        for Obligation { name, cases, .. } in obligations() {
            for case in cases {
                let free = Expr::from(Shape::Not(case.goal)).variables(Origin::Place);
                assert!(free.is_empty(), "{name}");
                let witnesses = case.goal.variables(Origin::Witness);
                let parameters = case.goal.variables(Origin::Parameter);
                assert!(!witnesses.is_empty() || !parameters.is_empty(), "{name}: {:?}", case.goal);
            }
        }
    }
}
