use super::*;
use crate::operation::{Condition, Expiry, Only, Unit};

fn of(line: &str) -> Action {
    let words = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    understand(Request { words, inline: false }, false)
}

fn operation(line: &str) -> Operation {
    let action = of(line);
    let Action::Replicate(operation) = action else { panic!("{line}: {action:?}") };
    operation
}

fn error(line: &str) -> String {
    let action = of(line);
    let Action::Reply(Reply::Error(text)) = action else { panic!("{line}: {action:?}") };
    text
}

#[test]
fn commands_become_operations_whatever_their_case() {
    assert_eq!(operation("gEt a"), Operation::Get { key: "a".into() });
    let keys = || vec!["a".into(), "b".into()];
    assert_eq!(operation("DEL a b"), Operation::Del { keys: keys() });
    assert_eq!(operation("exists a b"), Operation::Exists { keys: keys() });
    assert_eq!(operation("MGET a b"), Operation::GetMany { keys: keys() });
    let pairs = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
    assert_eq!(operation("MSET a 1 b 2"), Operation::SetMany { pairs });
    let cas = Operation::Cas { key: "a".into(), expected: "1".into(), new: "2".into() };
    assert_eq!(operation("CAS a 1 2"), cas);
    for (line, amount) in
        [("INCR a", 1), ("DECR a", -1), ("INCRBY a -5", -5), ("DECRBY a -5", 5), ("DECRBY a 5", -5)]
    {
        assert_eq!(operation(line), Operation::Add { key: "a".into(), amount }, "{line}");
    }
    let unit = Unit::Milliseconds;
    assert_eq!(operation("PTTL a"), Operation::TimeLeft { key: "a".into(), unit });
    assert_eq!(of("raft readmit 3"), Action::Readmit(ServerId(3)));
    assert_eq!((of("SAVE"), of("LastSave")), (Action::Save, Action::LastSave));
    assert_eq!((of("bgsave"), of("BGSAVE schedule")), (Action::SaveBehind, Action::SaveBehind));
    assert_eq!(of("VERAFT.BACKUP"), Action::Backup);
}

#[test]
fn options_of_set_are_taken_in_any_order() {
    let after = |milliseconds| Expiry::After { milliseconds };
    for (options, condition, expiry, get) in [
        ("", Condition::Always, Expiry::Never, false),
        (" nx", Condition::Absent, Expiry::Never, false),
        (" XX GET", Condition::Present, Expiry::Never, true),
        (" EX 10", Condition::Always, after(10_000), false),
        (" GET px 10 NX", Condition::Absent, after(10), true),
        (" KEEPTTL XX", Condition::Present, Expiry::Keep, false),
    ] {
        let set = Operation::Set { key: "a".into(), value: "1".into(), condition, expiry, get };
        assert_eq!(operation(&format!("SET a 1{options}")), set, "{options}");
    }
}

#[test]
fn options_of_expire_say_which_keys_it_concerns() {
    for (line, milliseconds, only) in [
        ("EXPIRE a 10", 10_000, Only::default()),
        ("PEXPIRE a -10", -10, Only::default()),
        ("EXPIRE a 1 nx", 1000, Only { lasting: true, ..Only::default() }),
        ("EXPIRE a 1 XX GT", 1000, Only { expiring: true, later: true, ..Only::default() }),
        ("EXPIRE a 1 LT", 1000, Only { earlier: true, ..Only::default() }),
    ] {
        let expire = Operation::Expire { key: "a".into(), milliseconds, only };
        assert_eq!(operation(line), expire, "{line}");
    }
}

/// The words of Redis 7.0, seen by sending each of these lines to it.
#[test]
fn errors_are_in_the_words_of_redis() {
    let integer = "ERR value is not an integer or out of range";
    let syntax = "ERR syntax error";
    let time = |name: &str| format!("ERR invalid expire time in '{name}' command");
    let arity = |name: &str| format!("ERR wrong number of arguments for '{name}' command");
    for (line, text) in [
        ("FOO a b", "ERR unknown command 'FOO', with args beginning with: 'a' 'b' ".into()),
        ("LPUSH", "ERR unknown command 'LPUSH', with args beginning with: ".into()),
        ("GET", arity("get")),
        ("Incr a b", arity("incr")),
        ("PING a b", arity("ping")),
        ("ECHO", arity("echo")),
        ("MSET a", arity("mset")),
        ("MSET a b c", arity("mset")),
        ("CLIENT", arity("client")),
        ("CLIENT SETNAME", arity("client|setname")),
        ("CONFIG GET", arity("config|get")),
        ("COMMAND COUNT x", arity("command|count")),
        ("CLIENT FOO", "ERR unknown subcommand 'FOO'. Try CLIENT HELP.".into()),
        ("COMMAND FOO", "ERR unknown subcommand 'FOO'. Try COMMAND HELP.".into()),
        ("BGSAVE now", syntax.into()),
        ("BGSAVE SCHEDULE now", syntax.into()),
        ("SAVE now", arity("save")),
        ("LASTSAVE now", arity("lastsave")),
        ("SET a 1 NX XX", syntax.into()),
        ("SET a 1 EX", syntax.into()),
        ("SET a 1 EX 10 PX 3", syntax.into()),
        ("SET a 1 EX 10 KEEPTTL", syntax.into()),
        ("SET a 1 FOO", syntax.into()),
        ("SET a 1 EX x", integer.into()),
        ("SET a 1 EX 0", time("set")),
        ("SET a 1 PX -1", time("set")),
        ("SET a 1 EX 9223372036854775807", time("set")),
        ("SETEX a 0 1", time("setex")),
        ("EXPIRE a 99999999999999999", time("expire")),
        ("PEXPIRE a 9223372036854775807", time("pexpire")),
        ("EXPIRE a x", integer.into()),
        ("EXPIRE a 1 FOO", "ERR Unsupported option FOO".into()),
        (
            "EXPIRE a 1 NX XX",
            "ERR NX and XX, GT or LT options at the same time are not compatible".into(),
        ),
        ("EXPIRE a 1 GT LT", "ERR GT and LT options at the same time are not compatible".into()),
        ("INCRBY a x", integer.into()),
        ("INCRBY a +1", integer.into()),
        ("DECRBY a -9223372036854775808", "ERR decrement would overflow".into()),
        ("SELECT 1", "ERR DB index is out of range".into()),
        ("SELECT x", integer.into()),
        ("HELLO 4", "NOPROTO unsupported protocol version".into()),
        ("HELLO x", "ERR Protocol version is not an integer or out of range".into()),
        ("HELLO 2 FOO", "ERR Syntax error in HELLO option 'FOO'".into()),
        (
            "HELLO 3 AUTH a b",
            "WRONGPASS invalid username-password pair or user is disabled.".into(),
        ),
        ("AUTH a b", "WRONGPASS invalid username-password pair or user is disabled.".into()),
    ] {
        assert_eq!(error(line), text, "{line}");
    }
}

#[test]
fn what_only_this_server_lacks_is_refused_with_a_way_out() {
    assert!(error("SET a 1 EXAT 10").contains("give EX or PX"));
    assert!(error("SET a 1 IFEQ 2").contains("see CAS"));
    assert!(error("RAFT READMIT S3").contains("the id of a server, a number"));
    assert!(error("RAFT ELECT").contains("only READMIT"));
    assert!(error("CONFIG SET save x").contains("only CONFIG GET"));
}

#[test]
fn an_unknown_command_is_told_with_the_beginning_of_its_words() {
    let long = "x".repeat(1000);
    let text = error(&format!("{long} {long} {long}"));
    assert!(text.len() < 400, "{text}");
}

#[test]
fn a_line_of_http_ends_the_connection() {
    for line in ["POST / HTTP/1.1", "Host: localhost:6379"] {
        let words = || line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let action = understand(Request { words: words(), inline: true }, false);
        assert!(matches!(action, Action::Quit(Reply::Error(_))), "{action:?}");
        let action = understand(Request { words: words(), inline: false }, false);
        assert!(matches!(action, Action::Reply(Reply::Error(_))), "{action:?}");
    }
}

#[test]
fn every_command_of_the_table_is_understood() {
    for entry in table::TABLE {
        let fits = |extra: &usize| entry.takes(1 + extra);
        let words = vec!["1"; (0..9).find(fits).unwrap()].join(" ");
        let line = format!("{} {words}", entry.name);
        let action = of(line.trim_end());
        if let Action::Reply(Reply::Error(text)) = &action {
            assert!(!text.contains("wrong number") && !text.contains("unknown command"), "{text}");
        }
    }
}

#[test]
fn only_a_node_that_forwards_runs_operations() {
    let words = || vec![RUN.into(), postcard::to_allocvec(&Operation::Size).unwrap()];
    let action = understand(Request { words: words(), inline: false }, true);
    assert_eq!(action, Action::Replicate(Operation::Size));
    let action = understand(Request { words: words(), inline: false }, false);
    assert!(matches!(&action, Action::Reply(Reply::Error(text)) if text.contains("unknown")));
    let forwarded = Action::Session(Session::Forwarded);
    assert_eq!(of("VERAFT.FORWARDED"), forwarded);
    assert_eq!(of("VERAFT.FORWARDED 2"), forwarded);
    assert!(error("VERAFT.FORWARDED 9").contains("another version"));
}
