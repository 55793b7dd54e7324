//! A run's outcome for programs. `docs/LOAD.md` documents the keys: they are added to, not changed.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json as value};

use super::{exact_below, named_latencies, share};
use crate::outcome::{Found, KindUse, Outcome, Second, ServerMoment, ServerUse, Step};
use crate::search::StepResult;
use crate::verdict::Verdict;

/// Counts up when a key changes its meaning or goes; a new key does not count. 2: what is unanswered is no
/// error, an error is a request and not a connection, and late answers are no operations. 3: the waits of what was
/// never answered are among the latencies.
const FORMAT: u32 = 3;

/// Everything in `outcome`, and what is worked out of it. What was not measured is `null`.
pub fn json(outcome: &Outcome) -> Value {
    let counts = &outcome.counts;
    let verdict = Verdict::of(outcome);
    let per_second = |amount: u64| share(amount as f64, outcome.seconds);
    value!({
        "format": FORMAT,
        "setting": outcome.setting,
        "valid": !matches!(verdict, Verdict::Invalid(_)),
        "verdict": verdict.said(),
        "scenario": outcome.scenario,
        "target": outcome.target,
        "options": outcome.options,
        "seconds": outcome.seconds,
        "offered": counts.offered,
        "offered_per_second": per_second(counts.offered),
        "operations": counts.operations,
        "operations_per_second": per_second(counts.operations),
        "late": counts.late,
        "missed": counts.missed,
        "unanswered": counts.unanswered,
        "bytes": outcome.bytes,
        "bytes_per_second": per_second(outcome.bytes),
        "errors": {
            "total": counts.errors(),
            "refused": counts.refused,
            "lost": counts.lost,
            "timed_out": counts.timed_out,
        },
        "lost_connections": counts.lost_connections,
        "remade_connections": counts.remade_connections,
        "latency_ns": latency(&outcome.latency, &outcome.censored),
        "exact_below_ns": exact_below(&outcome.censored),
        "kinds": outcome.kinds.iter().map(|kind| (kind.name.clone(), of_kind(kind))).collect::<Map<_, _>>(),
        "series": outcome.series.iter().map(second).collect::<Vec<_>>(),
        "find": outcome.found.as_ref().map(found),
        "server": outcome.server.as_ref().map(|server| server_use(outcome, server)),
        "generator": {
            "cpu_seconds": outcome.generator.cpu_seconds,
            "busiest_core": outcome.generator.busiest,
            "memory_bytes": outcome.generator.memory_bytes,
            "lag_ns": outcome.generator.lag.as_ref().map(lag),
        },
    })
}

fn found(found: &Found) -> Value {
    let step = |step: &Step| {
        value!({
            "offered_per_second": step.rate,
            "operations_per_second": step.achieved,
            "p50_ns": step.p50_ns,
            "p99_ns": step.p99_ns,
            "max_ns": step.max_ns,
            "result": step.result.name(),
        })
    };
    value!({
        "goal": found.goal,
        "highest_per_second": found.highest,
        "limited_by_generator": found.limit == Some(StepResult::Invalid),
        "steps": found.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn lag(lag: &Histogram<u64>) -> Value {
    let at = |q| lag.value_at_quantile(q);
    value!({ "p50": at(0.50), "p99": at(0.99), "max": lag.max() })
}

fn of_kind(kind: &KindUse) -> Value {
    value!({
        "operations": kind.operations,
        "errors": kind.errors,
        "latency_ns": latency(&kind.latency, &kind.censored),
        "exact_below_ns": exact_below(&kind.censored),
    })
}

fn latency(latency: &Histogram<u64>, censored: &Histogram<u64>) -> Option<Value> {
    // A percentile is a whole number of nanoseconds; the mean alone is not, and is rounded to one.
    let named = named_latencies(latency, censored)?.into_iter();
    Some(named.map(|named| (named.name.to_owned(), value!(named.ns.round() as u64))).collect())
}

fn second(second: &Second) -> Value {
    value!({
        "at_seconds": second.at,
        "offered": second.offered,
        "operations": second.operations,
        "errors": second.errors,
        "p50_ns": second.p50_ns,
        "p99_ns": second.p99_ns,
        "max_ns": second.max_ns,
        "lag_p99_ns": second.lag_p99_ns,
    })
}

fn server_moment(moment: &ServerMoment) -> Value {
    let ServerMoment { at, cores, memory_bytes } = moment;
    value!({ "at_seconds": at, "cores": cores, "memory_bytes": memory_bytes })
}

fn server_use(outcome: &Outcome, server: &ServerUse) -> Value {
    let cpu = server.cpu_seconds();
    value!({
        "pids": server.pids,
        "seconds": server.seconds,
        "user_seconds": server.user_seconds,
        "system_seconds": server.system_seconds,
        "cpu_seconds": cpu,
        "cpu_us_per_operation": share(cpu * 1e6, outcome.counts.operations as f64),
        "cores": share(cpu, server.seconds),
        "memory_bytes_before": server.memory_bytes_before,
        "memory_bytes_after": server.memory_bytes_after,
        "series": server.series.iter().map(server_moment).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    #[test]
    fn the_keys_are_the_documented_ones_whatever_was_measured() {
        let top = [
            "bytes",
            "bytes_per_second",
            "errors",
            "exact_below_ns",
            "find",
            "format",
            "generator",
            "kinds",
            "late",
            "latency_ns",
            "lost_connections",
            "missed",
            "offered",
            "offered_per_second",
            "operations",
            "operations_per_second",
            "options",
            "remade_connections",
            "scenario",
            "seconds",
            "series",
            "server",
            "setting",
            "target",
            "unanswered",
            "valid",
            "verdict",
        ];
        let full = json(&samples::posts());
        assert_eq!(keys(&full), top);
        assert_eq!(keys(&json(&samples::silence())), top);
        assert_eq!(keys(&full["errors"]), ["lost", "refused", "timed_out", "total"]);
        assert_eq!(keys(&full["latency_ns"]), ["max", "mean", "p50", "p90", "p99", "p99.9"]);
        assert_eq!(
            keys(&full["series"][0]),
            ["at_seconds", "errors", "lag_p99_ns", "max_ns", "offered", "operations", "p50_ns", "p99_ns"]
        );
        assert_eq!(
            keys(&full["server"]),
            [
                "cores",
                "cpu_seconds",
                "cpu_us_per_operation",
                "memory_bytes_after",
                "memory_bytes_before",
                "pids",
                "seconds",
                "series",
                "system_seconds",
                "user_seconds"
            ]
        );
    }

    #[test]
    fn the_manual_names_every_key() {
        let manual = include_str!("../../../docs/LOAD.md");
        let full = json(&Outcome { found: Some(samples::found()), ..samples::posts() });
        let inner = ["errors", "latency_ns", "server", "generator", "find", "setting"].map(|key| &full[key]);
        for object in inner.into_iter().chain([
            &full,
            &full["series"][0],
            &full["find"]["steps"][0],
            &full["server"]["series"][0],
        ]) {
            for key in keys(object) {
                assert!(manual.contains(&format!("`{key}`")), "{key} is not in docs/LOAD.md");
            }
        }
    }

    #[test]
    fn the_numbers_are_the_outcomes() {
        let full = json(&samples::posts());
        assert_eq!(full["operations_per_second"], 100.0);
        assert_eq!(full["errors"], value!({"total": 3, "refused": 2, "lost": 1, "timed_out": 0}));
        let fates = ["offered", "operations", "late", "missed", "unanswered", "lost_connections"];
        assert_eq!(fates.map(|fate| full[fate].as_u64().unwrap()), [1010, 1000, 4, 2, 1, 1]);
        assert_eq!(full["options"], value!({"connections": "100", "pipeline": "32"}));
        // Three digits: within a thousandth of 5 and 9.9 ms.
        assert_eq!(full["latency_ns"]["p50"], 5_001_215);
        assert_eq!(full["latency_ns"]["p99"], 9_904_127);
        assert_eq!(full["exact_below_ns"], 9_953_280.0);
        assert_eq!((&full["valid"], &full["verdict"]), (&value!(true), &Value::Null));
        assert_eq!(full["series"].as_array().unwrap().len(), 10);
        assert_eq!(full["series"][6]["errors"], 3);
        assert_eq!(full["server"]["cpu_us_per_operation"], 5.0);
    }

    #[test]
    fn what_was_not_measured_is_null_and_never_a_zero() {
        let empty = json(&samples::silence());
        assert_eq!([&empty["latency_ns"], &empty["server"]], [&Value::Null, &Value::Null]);
        let server = samples::posts().server.map(|server| ServerUse { seconds: 0.0, ..server });
        let instant = json(&Outcome { seconds: 0.0, server, ..samples::posts() });
        assert_eq!(
            [&instant["operations_per_second"], &instant["server"]["cores"]],
            [&Value::Null, &Value::Null]
        );
    }
}
