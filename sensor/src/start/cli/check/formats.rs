//! Problems for tools: JSON of our own, SARIF 2.1.0 (OASIS), and the commands of GitHub's workflows.

use tapwire_parsers::json::{Array, Object};

use super::Report;
use crate::start::config::{Problem, Severity};

/// The schema that SARIF names.
const SARIF_SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Annotations of a kind that GitHub shows of one step.
const ANNOTATIONS: usize = 10;

/// One object with everything.
pub(super) fn json(report: &Report) -> Vec<u8> {
    let rules = &report.rules;
    written(|object| {
        object.number("loaded", rules.loaded).number("failed", rules.failed).number("skipped", rules.skipped);
        if !rules.tenants.is_empty() {
            object.array("tenants", |array| {
                for (tenant, counts) in &rules.tenants {
                    array.object(|o| {
                        o.number("id", *tenant).number("loaded", counts.loaded);
                        o.number("failed", counts.failed).number("skipped", counts.skipped);
                    });
                }
            });
        }
        object.object("not_active_yet", |o| {
            for (name, count) in &rules.later {
                o.named(name).number(*count);
            }
        });
        for (key, list) in [("errors", &report.errors), ("warnings", &report.warnings), ("left_out", &report.left_out)]
        {
            object.array(key, |array| {
                for problem in list {
                    array.object(|o| problem.write(o));
                }
            });
        }
        object.array("no_effect", |array| {
            for idle in &report.idle {
                array.object(|o| {
                    o.text("key", &idle.path);
                    idle.problem.write(o);
                });
            }
        });
    })
}

/// A log with one run.
pub(super) fn sarif(report: &Report) -> Vec<u8> {
    written(|object| {
        object.text("$schema", SARIF_SCHEMA).text("version", "2.1.0");
        object.array("runs", |runs| {
            runs.object(|run| {
                run.object("tool", |tool| {
                    tool.object("driver", |driver| {
                        driver.text("name", "tapwire").text("version", env!("CARGO_PKG_VERSION"));
                    });
                });
                // Lines of rules are counted in characters as they are in Rust's texts.
                run.text("columnKind", "unicodeCodePoints");
                run.array("results", |results| {
                    report.all().for_each(|(severity, problem)| result(results, severity, problem));
                });
            });
        });
    })
}

fn result(results: &mut Array<'_>, severity: Severity, problem: &Problem) {
    results.object(|result| {
        result.text("level", level(severity));
        result.object("message", |message| {
            message.text("text", sentence(problem));
        });
        result.array("locations", |locations| {
            locations.object(|location| {
                location.object("physicalLocation", |physical| {
                    physical.object("artifactLocation", |artifact| {
                        artifact.text("uri", uri(&problem.file));
                    });
                    if problem.line > 0 {
                        physical.object("region", |region| {
                            let column = problem.column.max(1);
                            region.number("startLine", problem.line).number("startColumn", column);
                            if problem.length > 0 {
                                region.number("endColumn", column.saturating_add(problem.length));
                            }
                        });
                    }
                });
            });
        });
    });
}

/// A line for each problem, and how many more there are than are shown.
pub(super) fn github(report: &Report) -> Vec<u8> {
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let command = if severity == Severity::Note { "notice" } else { level(severity) };
        let mut problems = report.all().filter(|(of, _)| *of == severity).map(|(_, problem)| problem);
        for problem in problems.by_ref().take(ANNOTATIONS) {
            let place = match problem.line {
                0 => format!("file={}", property(&problem.file)),
                line => format!("file={},line={line},col={}", property(&problem.file), problem.column.max(1)),
            };
            out.push_str(&format!("::{command} {place}::{}\n", data(&sentence(problem))));
        }
        let others = problems.count();
        if others > 0 {
            out.push_str(&format!("::{command}::{others} more of them; `tapwire check --verbose` names them all\n"));
        }
    }
    out.into_bytes()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn sentence(problem: &Problem) -> String {
    if problem.hint.is_empty() { problem.message.clone() } else { format!("{}; {}", problem.message, problem.hint) }
}

/// A path as a reference (RFC 3986 3.3): what has no place in one is in percents.
fn uri(path: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&b);
    path.bytes().map(|b| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What stands behind a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value within a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn written(write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::new(&mut out);
    write(&mut object);
    drop(object);
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let wrong = |line| Problem::of_line("a b.rules", line, format!("100 % wrong\n{line}"), "mend it");
        Report { errors: (1..=12).map(wrong).collect(), ..Report::default() }
    }

    #[test]
    fn annotations_stand_at_their_lines() {
        let text = String::from_utf8(github(&report())).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "::error file=a b.rules,line=1,col=1::100 %25 wrong%0A1; mend it");
        assert_eq!((lines.len(), lines[10]), (11, "::error::2 more of them; `tapwire check --verbose` names them all"));
    }

    #[test]
    fn sarif_has_a_result_for_each_problem() {
        let log: serde_json::Value = serde_json::from_slice(&sarif(&report())).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert_eq!((results.len(), &results[3]["level"]), (12, &"error".into()));
        let place = &results[3]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.rules");
        assert_eq!(place["region"]["startLine"], 4);
    }
}
