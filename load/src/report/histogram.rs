//! The distribution of latencies as the text that HdrHistogram's implementations print
//! (`outputPercentileDistribution`), and that its plotter draws:
//! <http://hdrhistogram.github.io/HdrHistogram/plotFiles.html>.

use std::fmt::Write;

use crate::outcome::Outcome;

const NS_PER_MS: f64 = 1e6;

/// Digits of a millisecond's fraction: to the nanosecond, as it was counted.
const FRACTION_DIGITS: usize = 6;

/// Rows for each halving of the distance to 100 %, as many as the format's other writers print.
const ROWS_PER_HALVING: u32 = 5;

/// The percentile distribution, values in milliseconds; header and footer only, if nothing was answered.
pub fn histogram_text(outcome: &Outcome) -> String {
    let latency = &outcome.latency;
    let ms = |ns: f64| format!("{:12.FRACTION_DIGITS$}", ns / NS_PER_MS);
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for row in latency.iter_quantiles(ROWS_PER_HALVING) {
        total += row.count_since_last_iteration();
        let quantile = row.quantile_iterated_to();
        let _ = write!(text, "{} {quantile:.12} {total:10}", ms(row.value_iterated_to() as f64));
        // The last row has no such column: the plotter puts it where the one before it is.
        if quantile < 1.0 {
            let _ = write!(text, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "#[Mean    = {}, StdDeviation   = {}]", ms(latency.mean()), ms(latency.stdev()));
    let _ =
        writeln!(text, "#[Max     = {}, Total count    = {:12}]", ms(latency.max() as f64), latency.len());
    let sub_buckets = sub_buckets(latency.sigfig());
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", latency.buckets());
    text
}

/// So many steps tell values of `digits` digits apart in the first bucket, as the format defines it.
fn sub_buckets(digits: u8) -> u64 {
    (2 * 10_u64.pow(u32::from(digits))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::outcome::latencies;

    #[test]
    fn a_distribution_in_the_format_that_plotters_read() {
        let mut latency = latencies();
        for (ms, times) in [(1, 6), (2, 3), (60_000, 1)] {
            latency.record_n(ms * 1_000_000, times).unwrap();
        }
        let expected = [
            "       Value     Percentile TotalCount 1/(1-Percentile)",
            "",
            "    1.000447 0.000000000000          6           1.00",
            "    1.000447 0.100000000000          6           1.11",
            "    1.000447 0.200000000000          6           1.25",
            "    1.000447 0.300000000000          6           1.43",
            "    1.000447 0.400000000000          6           1.67",
            "    1.000447 0.500000000000          6           2.00",
            "    1.000447 0.550000000000          6           2.22",
            "    2.000895 0.600000000000          9           2.50",
            "    2.000895 0.650000000000          9           2.86",
            "    2.000895 0.700000000000          9           3.33",
            "    2.000895 0.750000000000          9           4.00",
            "    2.000895 0.775000000000          9           4.44",
            "    2.000895 0.800000000000          9           5.00",
            "    2.000895 0.825000000000          9           5.71",
            "    2.000895 0.850000000000          9           6.67",
            "    2.000895 0.875000000000          9           8.00",
            "    2.000895 0.887500000000          9           8.89",
            "60028.878847 0.900000000000         10          10.00",
            "60028.878847 1.000000000000         10",
            "#[Mean    =  6002.410394, StdDeviation   = 18003.230418]",
            "#[Max     = 60028.878847, Total count    =           10]",
            "#[Buckets =           26, SubBuckets     =         2048]",
        ];
        let text = histogram_text(&Outcome { latency, ..samples::posts() });
        assert_eq!(text.split_terminator('\n').collect::<Vec<_>>(), expected);
        let page = include_str!("../../../docs/LOAD.md");
        let shown = page.lines().skip_while(|line| *line != expected[0]).take_while(|line| *line != "```");
        assert!(shown.filter(|line| line.trim() != "⋮").all(|line| expected.contains(&line)));
    }

    #[test]
    fn without_a_latency_there_is_a_header_and_a_footer() {
        let expected = [
            "       Value     Percentile TotalCount 1/(1-Percentile)",
            "",
            "#[Mean    =     0.000000, StdDeviation   =     0.000000]",
            "#[Max     =     0.000000, Total count    =            0]",
            "#[Buckets =           26, SubBuckets     =         2048]",
        ];
        let text = histogram_text(&samples::silence());
        assert_eq!(text.split_terminator('\n').collect::<Vec<_>>(), expected);
    }

    #[test]
    fn rows_rise_and_end_with_everything() {
        let text = histogram_text(&samples::posts());
        let rows = text.lines().skip(2).filter(|line| !line.starts_with('#'));
        let rows: Vec<Vec<f64>> =
            rows.map(|row| row.split_whitespace().map(|cell| cell.parse().unwrap()).collect()).collect();
        assert!(rows.len() > 20 && rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] < b[1] && a[2] <= b[2]));
        assert!(rows.iter().rev().skip(1).all(|row| row.len() == 4));
        assert_eq!(rows.last().unwrap()[1..], [1.0, 1000.0]);
    }
}
