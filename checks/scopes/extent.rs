//! How far a search goes and in what environment, as results and saved traces hold it.

use std::collections::BTreeMap;

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use veraft_models::{Bounds, Environment};

use crate::scopes::Scope;

/// The bounds and the environment of a search; in JSON one object with the fields of both, and
/// no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How far the search goes.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// What happens in it, and which reductions are on.
    #[serde(flatten)]
    pub environment: Environment,
    #[serde(flatten, skip_serializing)]
    nothing_else: NothingElse,
}

impl Extent {
    /// That of `scope`.
    pub fn of(scope: &Scope) -> Extent {
        let (bounds, environment) = (scope.bounds, scope.environment());
        Extent { bounds, environment, nothing_else: NothingElse }
    }
}

/// The fields that are left over: `deny_unknown_fields` cannot be had beside `flatten`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NothingElse;

impl<'de> Deserialize<'de> for NothingElse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NothingElse, D::Error> {
        let left = BTreeMap::<String, IgnoredAny>::deserialize(deserializer)?;
        match left.first_key_value() {
            None => Ok(NothingElse),
            Some((name, _)) => Err(Error::custom(format_args!("unknown field `{name}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scopes;

    /// As `check run election --batch 2` prints it.
    const KNOWN: &str = r#"{"servers":3,"terms":3,"entries":0,"restarts":2,"compactions":0,"symmetry":true,"keep_dead_letters":false,"audit":false,"torn":false,"blanks":false,"proposals":false,"vouched":false,"repeats":false,"pipelines":false,"saturation":false,"antichain":false,"batch":2}"#;

    fn election(batch: Option<usize>) -> Extent {
        let mut extent = Extent::of(&scopes::find("election").unwrap());
        extent.environment.batch = batch;
        extent
    }

    #[test]
    fn it_is_written_and_read_as_one_flat_object() {
        assert_eq!(serde_json::to_string(&election(Some(2))).unwrap(), KNOWN);
        assert_eq!(serde_json::from_str::<Extent>(KNOWN).unwrap(), election(Some(2)));
        let all = KNOWN.replace("\"batch\":2", "\"batch\":null");
        assert_eq!(serde_json::to_string(&election(None)).unwrap(), all);
        assert_eq!(serde_json::from_str::<Extent>(&all).unwrap(), election(None));
    }

    #[test]
    fn older_ones_lack_what_came_later_and_what_is_not_known_is_refused() {
        let older = KNOWN.replace(
            "\"blanks\":false,\"proposals\":false,\"vouched\":false,\"repeats\":false,\"pipelines\":false,",
            "",
        );
        let older = older.replace("\"compactions\":0,", "");
        assert_ne!(older, KNOWN);
        assert_eq!(serde_json::from_str::<Extent>(&older).unwrap(), election(Some(2)));
        let refused = |json: &str| serde_json::from_str::<Extent>(json).unwrap_err().to_string();
        assert!(refused(&KNOWN.replace("\"blanks\"", "\"blinks\"")).contains("`blinks`"));
        assert!(refused(&KNOWN.replace("\"torn\":false,", "")).contains("`torn`"));
        assert!(refused(&KNOWN.replace("\"terms\":3,", "")).contains("`terms`"));
    }
}
