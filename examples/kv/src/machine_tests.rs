use super::*;
use crate::entry::to_command;

/// A map, and the time of what is applied to it.
struct Tested {
    map: Map,
    now: u64,
}

impl Tested {
    fn new() -> Tested {
        Tested { map: Map::new(Arc::new(Clock::new(Instant::now()))), now: 0 }
    }

    /// Applies through the replicated form.
    fn run(&mut self, operation: Operation) -> Answer {
        self.map.apply(1, &to_command(&operation, self.now))
    }

    fn set(&mut self, key: &str, value: &str) {
        assert_eq!(self.run(set(key, value, Condition::Always, Expiry::Never)), Answer::Ok);
    }

    fn set_for(&mut self, key: &str, milliseconds: u64) {
        let expiry = Expiry::After { milliseconds };
        assert_eq!(self.run(set(key, "v", Condition::Always, expiry)), Answer::Ok);
    }

    fn get(&mut self, key: &str) -> Answer {
        self.run(Operation::Get { key: key.into() })
    }

    fn left(&mut self, key: &str) -> i64 {
        let answer = self.run(Operation::TimeLeft { key: key.into(), unit: Unit::Milliseconds });
        let Answer::Integer(left) = answer else { panic!("{answer:?}") };
        left
    }

    fn expire(&mut self, key: &str, milliseconds: i64, only: Only) -> bool {
        self.run(Operation::Expire { key: key.into(), milliseconds, only }) == Answer::Integer(1)
    }
}

fn set(key: &str, value: &str, condition: Condition, expiry: Expiry) -> Operation {
    Operation::Set { key: key.into(), value: value.into(), condition, expiry, get: false }
}

fn value(text: &str) -> Answer {
    Answer::Value(text.as_bytes().into())
}

fn keys(keys: &[&str]) -> Vec<Vec<u8>> {
    keys.iter().map(|&key| key.into()).collect()
}

#[test]
fn what_was_set_is_read_until_it_is_deleted() {
    let mut map = Tested::new();
    assert_eq!(map.get("a"), Answer::Nothing);
    map.set("a", "1");
    assert_eq!(map.get("a"), value("1"));
    assert_eq!(map.run(Operation::Exists { keys: keys(&["a", "b", "a"]) }), Answer::Integer(2));
    assert_eq!(map.run(Operation::Del { keys: keys(&["a", "b", "a"]) }), Answer::Integer(1));
    assert_eq!(map.get("a"), Answer::Nothing);
    map.set("a", "2");
    assert_eq!(map.run(Operation::Size), Answer::Integer(1));
    assert_eq!(map.run(Operation::GetDel { key: "a".into() }), value("2"));
    assert_eq!(map.run(Operation::GetDel { key: "a".into() }), Answer::Nothing);
    assert_eq!(map.run(Operation::Size), Answer::Integer(0));
}

#[test]
fn conditions_decide_whether_a_set_writes() {
    let mut map = Tested::new();
    let never = Expiry::Never;
    assert_eq!(map.run(set("a", "1", Condition::Present, never)), Answer::Nothing);
    assert_eq!(map.run(set("a", "2", Condition::Absent, never)), Answer::Ok);
    assert_eq!(map.run(set("a", "3", Condition::Absent, never)), Answer::Nothing);
    assert_eq!(map.get("a"), value("2"));
    assert_eq!(map.run(set("a", "4", Condition::Present, never)), Answer::Ok);
    assert_eq!(map.get("a"), value("4"));
    let set_absent = |value: &str| Operation::SetAbsent { key: "n".into(), value: value.into() };
    assert_eq!(map.run(set_absent("1")), Answer::Integer(1));
    assert_eq!(map.run(set_absent("2")), Answer::Integer(0));
    assert_eq!(map.get("n"), value("1"));
}

#[test]
fn a_set_with_get_answers_what_was_there_whether_it_writes_or_not() {
    let mut map = Tested::new();
    let get = |value: &str, condition| Operation::Set {
        key: "a".into(),
        value: value.into(),
        condition,
        expiry: Expiry::Never,
        get: true,
    };
    assert_eq!(map.run(get("1", Condition::Absent)), Answer::Nothing);
    assert_eq!(map.run(get("2", Condition::Absent)), value("1"));
    assert_eq!(map.run(get("3", Condition::Always)), value("1"));
    assert_eq!(map.get("a"), value("3"));
}

#[test]
fn numbers_count_to_their_limits_and_nothing_else_does() {
    let mut map = Tested::new();
    let add = |amount| Operation::Add { key: "n".into(), amount };
    assert_eq!(map.run(add(1)), Answer::Integer(1));
    assert_eq!(map.run(add(-11)), Answer::Integer(-10));
    for refused in ["x", "", "1.5", " 1", "+1", "01", "-0", "9223372036854775808"] {
        map.set("n", refused);
        assert_eq!(map.run(add(1)), NOT_A_NUMBER, "{refused}");
        assert_eq!(map.get("n"), value(refused));
    }
    map.set("n", "9223372036854775807");
    assert_eq!(map.run(add(1)), OVERFLOW);
    assert_eq!(map.run(add(-1)), Answer::Integer(i64::MAX - 1));
    map.set("n", "-9223372036854775808");
    assert_eq!(map.run(add(-1)), OVERFLOW);
}

#[test]
fn compare_and_swap_writes_only_over_what_was_expected() {
    let mut map = Tested::new();
    let cas = |expected: &str, new: &str| Operation::Cas {
        key: "a".into(),
        expected: expected.into(),
        new: new.into(),
    };
    assert_eq!(map.run(cas("", "1")), Answer::Integer(0));
    map.set_for("a", 100);
    assert_eq!(map.run(cas("2", "3")), Answer::Integer(0));
    assert_eq!(map.run(cas("v", "3")), Answer::Integer(1));
    assert_eq!((map.get("a"), map.left("a")), (value("3"), 100));
}

#[test]
fn several_keys_are_written_and_read_at_once() {
    let mut map = Tested::new();
    let pairs = [("a", "1"), ("b", "2"), ("a", "3")];
    let pairs = pairs.map(|(key, value)| (key.into(), value.into())).to_vec();
    assert_eq!(map.run(Operation::SetMany { pairs }), Answer::Ok);
    let Answer::Values(values) = map.run(Operation::GetMany { keys: keys(&["b", "x", "a"]) })
    else {
        panic!("no values");
    };
    assert_eq!(values, [Some((*b"2").into()), None, Some((*b"3").into())]);
    map.set("a", &"v".repeat(MAX_VALUE));
    let many = |count| Operation::GetMany { keys: vec!["a".into(); count] };
    assert!(matches!(map.run(many(8)), Answer::Values(_)));
    assert!(matches!(map.run(many(9)), Answer::Error(_)));
}

#[test]
fn a_value_grows_at_its_end_up_to_the_limit() {
    let mut map = Tested::new();
    let append = |value: String| Operation::Append { key: "a".into(), value: value.into() };
    let length = || Operation::Length { key: "a".into() };
    assert_eq!(map.run(length()), Answer::Integer(0));
    assert_eq!(map.run(append("ab".into())), Answer::Integer(2));
    assert_eq!(map.run(append("c".into())), Answer::Integer(3));
    assert_eq!((map.get("a"), map.run(length())), (value("abc"), Answer::Integer(3)));
    let rest = "x".repeat(MAX_VALUE - 3);
    assert_eq!(map.run(append(rest)), Answer::Integer(MAX_VALUE as i64));
    assert_eq!(map.run(append("x".into())), TOO_LONG);
    assert_eq!(map.run(length()), Answer::Integer(MAX_VALUE as i64));
}

#[test]
fn a_key_is_there_until_its_time_is_over_and_not_a_moment_longer() {
    let mut map = Tested::new();
    map.set_for("a", 100);
    map.set_for("b", 2499);
    map.now = 99;
    assert_eq!((map.get("a"), map.left("a")), (value("v"), 1));
    let seconds = Operation::TimeLeft { key: "b".into(), unit: Unit::Seconds };
    assert_eq!(map.run(seconds), Answer::Integer(2));
    // A stamp from a leader whose clock is behind turns nothing back.
    map.now = 0;
    assert_eq!(map.left("a"), 1);
    map.now = 100;
    assert_eq!((map.get("a"), map.left("a")), (Answer::Nothing, -2));
    assert_eq!(map.run(Operation::Size), Answer::Integer(1));
    assert_eq!(map.map.keys.expiring(), 1);
}

#[test]
fn writing_over_a_key_keeps_its_time_or_takes_it_away() {
    for (operation, left) in [
        (set("a", "1", Condition::Always, Expiry::Never), -1),
        (set("a", "1", Condition::Always, Expiry::Keep), 100),
        (set("a", "1", Condition::Absent, Expiry::Never), 100),
        (set("a", "1", Condition::Always, Expiry::After { milliseconds: 7 }), 7),
        (Operation::SetMany { pairs: vec![("a".into(), "1".into())] }, -1),
        (Operation::Append { key: "a".into(), value: "1".into() }, 100),
        (Operation::Add { key: "a".into(), amount: 2 }, 100),
        (Operation::Persist { key: "a".into() }, -1),
        (Operation::GetDel { key: "a".into() }, -2),
    ] {
        let mut map = Tested::new();
        let expiry = Expiry::After { milliseconds: 100 };
        map.run(set("a", "5", Condition::Always, expiry));
        map.run(operation.clone());
        assert_eq!(map.left("a"), left, "{operation:?}");
        assert_eq!(map.map.keys.expiring(), usize::from(left > 0), "{operation:?}");
        map.now = 100;
        assert_eq!(map.get("a") == Answer::Nothing, left != -1, "{operation:?}");
    }
}

#[test]
fn expire_concerns_the_keys_that_it_says() {
    let all = Only::default();
    let lasting = Only { lasting: true, ..all };
    let expiring = Only { expiring: true, ..all };
    let later = Only { later: true, ..all };
    let earlier = Only { earlier: true, ..all };
    // Not there; there and lasting; expiring in 100 ms; and what an expiry in 50 or 200 does.
    for (only, on_lasting, sooner, further) in [
        (all, true, true, true),
        (lasting, true, false, false),
        (expiring, false, true, true),
        (later, false, false, true),
        (earlier, true, true, false),
    ] {
        let mut map = Tested::new();
        assert!(!map.expire("absent", 50, only));
        map.set("a", "v");
        assert_eq!(map.expire("a", 50, only), on_lasting, "{only:?}");
        for (milliseconds, expected) in [(50, sooner), (200, further)] {
            map.set_for("b", 100);
            assert_eq!(map.expire("b", milliseconds, only), expected, "{only:?}");
            assert_eq!(map.left("b"), if expected { milliseconds } else { 100 });
        }
    }
    let mut map = Tested::new();
    map.set("a", "v");
    assert!(map.expire("a", 0, all));
    assert_eq!(map.left("a"), -2);
}

/// Entries as they were before there were stamps.
#[test]
fn logs_of_earlier_versions_give_the_map_that_they_gave() {
    let mut map = Map::new(Arc::new(Clock::new(Instant::now())));
    let mut run = |bytes: &[u8]| map.apply(1, &Command::from(bytes));
    assert_eq!(run(b"\x01\x01n\x03007\x00"), Answer::Ok);
    // Redis, and what is proposed today, refuse this number.
    assert_eq!(run(b"\x03\x01n"), Answer::Integer(8));
    assert_eq!(run(b"\x04\x01n\x018\x02+8"), Answer::Integer(1));
    assert_eq!(run(b"\x03\x01n"), Answer::Integer(9));
    assert_eq!(run(b"\x00\x01n"), value("9"));
    assert_eq!(run(b"\x01\x01n\x01x\x01"), Answer::Nothing);
    assert_eq!(run(b"\x02\x02\x01n\x01m"), Answer::Integer(1));
    assert_eq!(run(b"\x00\x01n"), Answer::Nothing);
}

#[test]
#[should_panic(expected = "no operation that this version knows")]
fn an_operation_of_a_later_version_is_not_skipped() {
    Map::new(Arc::new(Clock::new(Instant::now()))).apply(9, &Command::from(&[77u8][..]));
}
