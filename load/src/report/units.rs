//! Quantities as people read them: three digits and a unit that fits. Exact numbers are for
//! [`json`](super::json()).

/// From this on three digits would be rounded up to four, and the next unit is due.
const NEXT_UNIT: f64 = 999.5;

const TIMES: [(f64, &str); 3] = [(1e3, "µs"), (1e6, "ms"), (1e9, "s")];
const SIZES: [(f64, &str); 5] = [
    (1.0, "B"),
    (1024.0, "KiB"),
    (1024.0 * 1024.0, "MiB"),
    (1024.0 * 1024.0 * 1024.0, "GiB"),
    (1024.0 * 1024.0 * 1024.0 * 1024.0, "TiB"),
];
const COUNTS: [(f64, &str); 4] = [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")];

/// A time in nanoseconds: `83.2 µs`.
pub(crate) fn time(ns: f64) -> String {
    with_unit(ns, &TIMES, three_digits)
}

/// A time in nanoseconds without zeros that say nothing: `5 ms`; as many digits as asked for.
pub(crate) fn short_time(ns: f64, digits: usize) -> String {
    with_unit(ns, &TIMES, |value| trimmed(&significant(value, digits)))
}

/// A number of bytes: `1.15 GiB`.
pub(crate) fn size(bytes: f64) -> String {
    with_unit(bytes, &SIZES, if bytes < NEXT_UNIT { whole } else { three_digits })
}

/// The unit in which a number of bytes is one at least, up to 1,024.
pub(crate) fn size_unit(bytes: f64) -> f64 {
    1024_f64.powi((bytes.max(1.0).log2() / 10.0).floor() as i32)
}

/// A number of bytes without zeros that say nothing: `100 MiB`; as many digits as asked for.
pub(crate) fn short_size(bytes: f64, digits: usize) -> String {
    with_unit(bytes, &SIZES, |value| trimmed(&significant(value, digits)))
}

/// A number for the narrow margin of a chart: `2.5 k`.
pub(crate) fn short_count(value: f64) -> String {
    with_unit(value, &COUNTS, |value| trimmed(&significant(value, 3))).trim_end().to_owned()
}

/// A whole number in groups of three: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let first = digits.len() % 3;
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many a second: whole and grouped where that loses nothing, else three digits.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 99.95 { count(per_second.round() as u64) } else { three_digits(per_second) }
}

/// Three digits, whole numbers above that: `0.795`, `7.95`, `79.5`, `795`, `7950`.
pub(crate) fn three_digits(value: f64) -> String {
    significant(value, 3)
}

/// So many digits, but none before the point are left out.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounding may add a digit before the point, 9.996 is 10.0: so the rounded value is what is measured.
    let fraction_digits =
        |value: f64| (digits as i32 - 1 - value.abs().log10().floor() as i32).max(0) as usize;
    let rounded: f64 = format!("{value:.*}", fraction_digits(value)).parse().unwrap_or(value);
    let shown = if rounded == 0.0 { value } else { rounded };
    format!("{value:.*}", fraction_digits(shown).min(digits))
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn with_unit(value: f64, units: &[(f64, &str)], shown: impl Fn(f64) -> String) -> String {
    let fitting = units.iter().find(|(size, _)| value / size < NEXT_UNIT).or(units.last());
    fitting.map_or_else(|| shown(value), |(size, name)| format!("{} {name}", shown(value / size)))
}

/// Without zeros at the end of a fraction.
pub(crate) fn trimmed(number: &str) -> String {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_the_unit_that_fits() {
        let shown =
            [0.0, 4.0, 850.0, 1000.0, 9_994.0, 9_996.0, 83_200.0, 999_499.0, 999_500.0, 7.2e6, 59.99e9]
                .map(time);
        let expected = [
            "0 µs",
            "0.004 µs",
            "0.850 µs",
            "1.00 µs",
            "9.99 µs",
            "10.0 µs",
            "83.2 µs",
            "999 µs",
            "1.00 ms",
            "7.20 ms",
            "60.0 s",
        ];
        assert_eq!(shown, expected);
        assert_eq!(time(4_321e9), "4321 s");
    }

    #[test]
    fn sizes_are_whole_bytes_or_three_digits() {
        let shown = [0.0, 1.0, 999.0, 1000.0, 1536.0, 13.0 * 1048576.0, 1.5e18].map(size);
        assert_eq!(shown, ["0 B", "1 B", "999 B", "0.977 KiB", "1.50 KiB", "13.0 MiB", "1364242 TiB"]);
    }

    #[test]
    fn counts_are_grouped_by_threes() {
        assert_eq!(
            [0, 999, 1000, 123_456, 1_234_567].map(count),
            ["0", "999", "1,000", "123,456", "1,234,567"]
        );
        assert_eq!([0.0, 0.25, 12.34, 99.94, 1234.5].map(rate), ["0", "0.250", "12.3", "99.9", "1,235"]);
    }

    #[test]
    fn short_forms_drop_zeros_that_say_nothing() {
        assert_eq!([5e6, 2.5e3, 1e8].map(|ns| short_time(ns, 3)), ["5 ms", "2.5 µs", "100 ms"]);
        assert_eq!(short_time(5_000_191.0, 3), "5 ms");
        assert_eq!(short_time(5_000_191.0, 7), "5.000191 ms");
        assert_eq!([0.0, 0.5, 20.0, 2500.0, 1e6].map(short_count), ["0", "0.5", "20", "2.5 k", "1 M"]);
        assert_eq!(short_size(100.0 * 1048576.0, 3), "100 MiB");
    }
}
