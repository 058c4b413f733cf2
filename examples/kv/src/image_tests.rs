use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use veraft::runtime::StateMachine;

use crate::clock::{Clock, LAPSE};
use crate::entry::to_command;
use crate::machine::Map;
use crate::operation::{Answer, Condition, Expiry, Only, Operation, Unit};

fn map() -> (Map, Arc<Clock>) {
    let clock = Arc::new(Clock::new(Instant::now()));
    (Map::new(clock.clone()), clock)
}

fn taken(map: &mut Map) -> Vec<u8> {
    let mut bytes = Vec::new();
    map.capture().unwrap().write(&mut bytes).unwrap();
    bytes
}

fn set(key: &str, value: &[u8], expiry: Expiry) -> Operation {
    let (key, condition) = (key.into(), Condition::Always);
    Operation::Set { key, value: value.into(), condition, expiry, get: false }
}

/// What a map is to hold: values and deadlines.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Model {
    keys: BTreeMap<String, (Vec<u8>, Option<u64>)>,
    time: u64,
}

#[derive(Clone, Debug)]
enum Deed {
    Set(String, Vec<u8>, Option<u64>),
    Append(String, Vec<u8>),
    Delete(String),
    Expire(String, i64),
    Persist(String),
    Pass(u64),
}

impl Deed {
    fn operation(&self) -> Operation {
        let after = |milliseconds| Expiry::After { milliseconds };
        match self.clone() {
            Deed::Set(key, value, ttl) => set(&key, &value, ttl.map_or(Expiry::Never, after)),
            Deed::Append(key, value) => Operation::Append { key: key.into(), value },
            Deed::Delete(key) => Operation::Del { keys: vec![key.into()] },
            Deed::Expire(key, milliseconds) => {
                Operation::Expire { key: key.into(), milliseconds, only: Only::default() }
            }
            Deed::Persist(key) => Operation::Persist { key: key.into() },
            Deed::Pass(_) => Operation::Tick,
        }
    }
}

impl Model {
    fn run(&mut self, deed: &Deed) {
        let time = self.time;
        match deed.clone() {
            Deed::Set(key, value, ttl) => {
                self.keys.insert(key, (value, ttl.map(|ttl| time + ttl)));
            }
            Deed::Append(key, value) => self.keys.entry(key).or_default().0.extend(value),
            Deed::Delete(key) => drop(self.keys.remove(&key)),
            Deed::Expire(key, milliseconds) => {
                if let Some((_, deadline)) = self.keys.get_mut(&key) {
                    *deadline = Some(time.saturating_add_signed(milliseconds));
                }
            }
            Deed::Persist(key) => {
                if let Some((_, deadline)) = self.keys.get_mut(&key) {
                    *deadline = None;
                }
            }
            Deed::Pass(milliseconds) => self.time += milliseconds,
        }
        let time = self.time;
        self.keys.retain(|_, (_, deadline)| deadline.is_none_or(|deadline| deadline > time));
    }

    /// Whether a map holds this and nothing else.
    fn is_held_by(&self, map: &mut Map) -> Result<(), TestCaseError> {
        let run = |map: &mut Map, operation| map.apply(1, &to_command(&operation, self.time));
        prop_assert_eq!(run(map, Operation::Size), Answer::Integer(self.keys.len() as i64));
        for (key, (value, deadline)) in &self.keys {
            let key: Vec<u8> = key.clone().into();
            let held = run(map, Operation::Get { key: key.clone() });
            prop_assert_eq!(held, Answer::Value((&**value).into()));
            let left = deadline.map_or(-1, |deadline| (deadline - self.time) as i64);
            let unit = Unit::Milliseconds;
            prop_assert_eq!(run(map, Operation::TimeLeft { key, unit }), Answer::Integer(left));
        }
        Ok(())
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let key = || "[a-e]{0,2}";
    let value = || prop::collection::vec(any::<u8>(), 0..40);
    let deed = prop_oneof![
        4 => (key(), value(), prop::option::of(1_u64..50)).prop_map(|(key, value, ttl)| {
            Deed::Set(key, value, ttl)
        }),
        1 => (key(), value()).prop_map(|(key, value)| Deed::Append(key, value)),
        1 => key().prop_map(Deed::Delete),
        1 => (key(), -3_i64..50).prop_map(|(key, ttl)| Deed::Expire(key, ttl)),
        1 => key().prop_map(Deed::Persist),
        2 => (0_u64..20).prop_map(Deed::Pass),
    ];
    prop::collection::vec(deed, 0..80)
}

proptest! {
    /// A map is captured in the middle, and written at the end: it restores to what it was in the
    /// middle, whatever the map that is restored held before, and goes on like it.
    #[test]
    fn what_is_restored_is_what_was_captured(before in deeds(), after in deeds(), other in deeds()) {
        let (mut model, (mut original, _)) = (Model::default(), map());
        let run = |map: &mut Map, model: &mut Model, deeds: &[Deed]| {
            for deed in deeds {
                model.run(deed);
                map.apply(1, &to_command(&deed.operation(), model.time));
            }
        };
        run(&mut original, &mut model, &before);
        let (image, captured) = (original.capture().unwrap(), model.clone());
        let digest = original.digest();
        run(&mut original, &mut model, &after);
        model.is_held_by(&mut original)?;
        prop_assert_eq!(original.digest() == digest, model == captured);
        let mut bytes = Vec::new();
        image.write(&mut bytes).unwrap();

        let (mut restored, _) = map();
        run(&mut restored, &mut Model::default(), &other);
        restored.restore(&mut &*bytes).unwrap();
        prop_assert_eq!(restored.digest(), digest);
        captured.is_held_by(&mut restored)?;
        let mut again = captured;
        run(&mut restored, &mut again, &after);
        prop_assert_eq!(&again, &model);
        again.is_held_by(&mut restored)?;
    }
}

#[test]
fn the_clock_goes_on_from_the_time_of_an_image() {
    let (mut original, _) = map();
    original.apply(1, &to_command(&set("a", b"1", Expiry::After { milliseconds: 5000 }), 90_000));
    let bytes = taken(&mut original);
    let (mut restored, clock) = map();
    assert!(!clock.is_due(Instant::now() + Duration::from_secs(3600)));
    restored.restore(&mut &*bytes).unwrap();
    let stamp = clock.stamp(Instant::now());
    assert!((90_000..=90_000 + LAPSE).contains(&stamp), "{stamp}");
    assert!(clock.is_due(Instant::now() + Duration::from_secs(3600)), "a key will expire");
}

/// Bytes that a version of this program has written. What is here never changes.
#[test]
fn the_form_is_still_read_and_written() {
    let form = b"kv-image\x01\0\0\0\x2c\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\
                 \x01\x33\x01\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0abc";
    let (mut original, _) = map();
    let operation = set("a", b"bc", Expiry::After { milliseconds: 7 });
    original.apply(1, &to_command(&operation, 300));
    assert_eq!(taken(&mut original), form);
    let (mut restored, _) = map();
    restored.restore(&mut &form[..]).unwrap();
    assert_eq!(taken(&mut restored), form);
}

#[test]
fn what_is_no_image_of_the_map_is_refused_and_changes_nothing() {
    let (mut original, _) = map();
    let operation = set("k", b"value", Expiry::After { milliseconds: 7 });
    original.apply(1, &to_command(&operation, 300));
    let good = taken(&mut original);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let twice = [&with(20, 2)[..], &good[28..]].concat();
    for (bytes, why) in [
        (with(0, b'x'), "this is no image of kv"),
        (with(8, 2), "version 2, and this version of kv reads version 1"),
        (with(28, 2), "key 0 of the image has flags 0x2"),
        (with(29, 44), "key 0 of the image had expired"),
        (with(20, 2), "ends before its last key"),
        (good[..good.len() - 1].to_vec(), "ends before its last key"),
        // A length of four gigabytes.
        (with(44, 0xff), "ends before its last key"),
        (good[..10].to_vec(), "ends before its last key"),
        ([&good[..], b"x"].concat(), "follows the last key"),
        (twice, "key 1 of the image stands in it twice"),
    ] {
        let error = original.restore(&mut &*bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error} instead of {why}");
        assert_eq!(taken(&mut original), good);
    }
}
