//! Words on a line, as Redis splits them.

/// The words, or none if the quotes are not balanced: a quote is not closed, or something other
/// than a space follows one that is.
///
/// Within double quotes `\n`, `\r`, `\t`, `\b`, `\a` and `\xHH` stand for bytes, and a backslash
/// before anything else for that; within single quotes `\'` alone is special.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind.trim_ascii_start();
    }
    Some(words)
}

/// The word at the front, which is not a space, and what is behind it.
fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [b'"', behind @ ..] => return closed(double_quoted(&mut word, behind)?, word),
            [b'\'', behind @ ..] => return closed(single_quoted(&mut word, behind)?, word),
            [byte, behind @ ..] if !byte.is_ascii_whitespace() && *byte != 0 => {
                word.push(*byte);
                rest = behind;
            }
            [_, behind @ ..] => return Some((word, behind)),
            [] => return Some((word, rest)),
        }
    }
}

fn closed(behind: &[u8], word: Vec<u8>) -> Option<(Vec<u8>, &[u8])> {
    behind.first().is_none_or(u8::is_ascii_whitespace).then_some((word, behind))
}

/// What is behind the closing quote.
fn double_quoted<'a>(word: &mut Vec<u8>, mut rest: &'a [u8]) -> Option<&'a [u8]> {
    loop {
        let (byte, behind) = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (16 * digit(*high) + digit(*low), behind)
            }
            [b'\\', byte, behind @ ..] => {
                let byte = match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                };
                (byte, behind)
            }
            [byte, behind @ ..] => (*byte, behind),
            [] => return None,
        };
        word.push(byte);
        rest = behind;
    }
}

fn single_quoted<'a>(word: &mut Vec<u8>, mut rest: &'a [u8]) -> Option<&'a [u8]> {
    loop {
        let (byte, behind) = match rest {
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
            [] => return None,
        };
        word.push(byte);
        rest = behind;
    }
}

/// The value of a hexadecimal digit.
fn digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_redis_makes_of_a_line() {
        let words: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b"  \t ", &[]),
            (b"SET a  1 ", &[b"SET", b"a", b"1"]),
            (b"SET a \"b c\" '' \"\"", &[b"SET", b"a", b"b c", b"", b""]),
            (br#""\x41\n\r\t\b\a\\\"\q\xg1""#, &[b"A\n\r\t\x08\x07\\\"qxg1"]),
            (br#"'a\'b\n"'"#, &[br#"a'b\n""#]),
            (b"a\"b c\" d", &[b"ab c", b"d"]),
        ];
        for (line, words) in words {
            assert_eq!(split(line).unwrap(), *words, "{}", line.escape_ascii());
        }
        for line in ["\"a", "'a", "a \"b", "\"a\"b", "'a'b", "\"a\\", "\"a\\\"", "it's"] {
            assert_eq!(split(line.as_bytes()), None, "{line}");
        }
    }
}
