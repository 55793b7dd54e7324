//! Command lines of the course assignments that would be understood as something else, or not at all.

/// One of the assignments has the allowed attempts where another has this password. A password of one digit would be none.
pub(super) fn parse_admin_password(raw: &str) -> Result<String, String> {
    if matches!(raw.as_bytes(), [b'0'..=b'9']) {
        return Err(format!(
            "a single digit is no password; for the allowed attempts use --max-attempts {raw}"
        ));
    }
    Ok(raw.to_owned())
}

/// What is meant by a command line that is not understood, if an assignment has it: `PORT BLOCK_DURATION TIMEOUT`.
pub fn meant(words: &[String]) -> Option<String> {
    let is_number = |word: &String| word.parse::<u64>().is_ok();
    let three = words.windows(3).find(|three| three.iter().all(is_number))?;
    let [port, block, timeout] = three else { return None };
    Some(format!(
        "block duration and time-out are options: forumd {port} --block-duration {block} --timeout {timeout}"
    ))
}
