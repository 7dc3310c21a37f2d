//! Numbers for people.

/// `1 record`, `12,345 records`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        let all: Vec<_> = [1, 999, 1_000, 1_234_567].map(|n| count(n, "a", "b")).into();
        assert_eq!(all, ["1 a", "999 b", "1,000 b", "1,234,567 b"]);
    }
}
