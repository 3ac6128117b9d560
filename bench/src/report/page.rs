//! The report as one self-contained HTML page.

use super::chart::{self, Bar, BarGroup, Scale, escaped, short};
use super::claims::{Claim, Verdict};
use super::findings::Report;
use super::section::{Line, Ratio, Section, Summary};
use super::spread::Spread;
use crate::outcome::{CPU, CPU_OF, Kind, P50, P99, P999, RATE};

const HEAD: &str = include_str!("page.css");

/// The whole page.
pub(super) fn html(report: &Report) -> String {
    let asked = if report.asked.is_empty() { "the standard set".to_owned() } else { report.asked.join(" ") };
    let machine = &report.machine;
    let busy = machine
        .busy
        .map_or(String::new(), |busy| format!(", with a load average of {busy:.1} in the minute before"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Benchmark of relayd</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>\n{HEAD}</style>\n<main>\n\
         <h1>Benchmark of relayd</h1>\n<p>Asked for: {}. {} with {} cores, {}; {}{busy}.</p>\n",
        escaped(&asked),
        escaped(&machine.processor),
        machine.cores,
        escaped(&machine.system),
        machine.cores_words()
    );
    out += &claims(report);
    for word in &report.left_out {
        out += &format!("<p class=\"note\">{}</p>\n", escaped(word));
    }
    let loads: Vec<&Section> = report.sections.iter().filter(|section| section.workload.is_some()).collect();
    out += &picture(
        "Latency",
        "from sent (or due) to received; shorter is better",
        &latency(&loads),
        Scale::Logarithmic,
        "µs",
    );
    out += &picture(
        "Throughput",
        "longer is better; marked where the load was at its own limit",
        &throughput(&loads),
        Scale::Linear,
        "msg/s",
    );
    out += &picture(
        "CPU time per message",
        "of each process; shorter is better",
        &cpu(&loads),
        Scale::Logarithmic,
        "µs",
    );
    for section in &report.sections {
        out += &details(section);
    }
    out + "<p class=\"note\">The median of all runs, and their range. Ratios compare runs that were next to each other in \
           time. docs/performance.md explains the words.</p>\n</main>\n</html>\n"
}

fn claims(report: &Report) -> String {
    if report.claims.is_empty() {
        return String::new();
    }
    let row = |claim: &Claim| {
        let (class, word) = match claim.verdict {
            Verdict::Holds => ("good", "holds"),
            Verdict::Fails => ("bad", "fails"),
            Verdict::Unclear => ("note", "unclear"),
        };
        format!(
            "<tr><td class=\"{class}\">{word}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escaped(&claim.promise),
            escaped(&claim.setup),
            escaped(&claim.measured)
        )
    };
    let rows: String = report.claims.iter().map(row).collect();
    format!("<h2>What is promised</h2>\n<table class=\"words\">\n{rows}</table>\n")
}

fn picture(title: &str, words: &str, groups: &[BarGroup], scale: Scale, unit: &str) -> String {
    let svg = chart::svg(groups, unit, scale);
    if svg.is_empty() {
        return String::new();
    }
    format!("<h2>{title}</h2>\n<p class=\"note\">{words}</p>\n{svg}")
}

fn title(section: &Section) -> String {
    format!("{}: {}", section.scenario, section.what)
}

/// Three bars per target: one colour for each percentile.
fn latency(sections: &[&Section]) -> Vec<BarGroup> {
    let three = |target: &Summary| {
        let one = |(colour, name): (usize, &str)| {
            let words = format!("{} {}", target.target, name.trim_end_matches(" µs"));
            Some(bar(words, target.figure(name)?, colour, ""))
        };
        [P50, P99, P999].into_iter().enumerate().filter_map(one).collect()
    };
    groups(sections, three)
}

/// One bar per target.
fn throughput(sections: &[&Section]) -> Vec<BarGroup> {
    let one = |target: &Summary| {
        let mark = if target.runs_void > 0 { "load at its limit: at least " } else { "" };
        let line = target.figure(RATE).into_iter();
        line.map(|line| bar(target.target.to_owned(), line, colour(target.target), mark)).collect()
    };
    groups(sections, one)
}

/// One bar per target, and one below for each of its processes if there are several.
fn cpu(sections: &[&Section]) -> Vec<BarGroup> {
    let each = |target: &Summary| {
        let all = target.figure(CPU).into_iter();
        let all = all.map(|line| bar(target.target.to_owned(), line, colour(target.target), ""));
        let process = |line: &Line| {
            let name = line.name.strip_prefix(CPU_OF)?;
            Some(bar(format!("of which {name}"), line, GREY, ""))
        };
        all.chain(target.figures.iter().filter_map(process)).collect()
    };
    groups(sections, each)
}

fn groups(sections: &[&Section], bars: impl Fn(&Summary) -> Vec<Bar>) -> Vec<BarGroup> {
    let group = |section: &&Section| BarGroup {
        title: title(section),
        bars: section.targets.iter().flat_map(&bars).collect(),
    };
    sections.iter().map(group).collect()
}

fn bar(name: String, line: &Line, colour: usize, mark: &str) -> Bar {
    let Spread { median, min, max } = line.spread;
    Bar { name, value: median, range: Some((min, max)), label: format!("{mark}{}", short(median)), colour }
}

/// The same in every chart.
fn colour(target: &str) -> usize {
    ["relayd", "floor", "tokio", "node", "bun"].iter().position(|name| *name == target).unwrap_or(0)
}

const GREY: usize = 5;

fn details(section: &Section) -> String {
    let mut out =
        format!("<h2>{}</h2>\n<p class=\"note\">{}", escaped(&title(section)), escaped(&section.setup));
    if let (Some(pairs), Some(bytes)) = (section.pairs, section.payload_bytes) {
        out += &format!("; {pairs} pairs, {bytes} bytes of payload");
    }
    out += "</p>\n<div class=\"wide\"><table>\n<tr><th></th>";
    let first = section.subject().map_or(&[][..], |subject| &subject.figures);
    let is_column = |line: &&Line| line.kind != Kind::Detail;
    for line in first.iter().filter(is_column) {
        out += &format!("<th>{}</th>", escaped(&line.name));
    }
    out += "</tr>\n";
    for target in &section.targets {
        out += &format!("<tr><th>{}</th>", target.target);
        for line in first.iter().filter(is_column) {
            out += &cell(target, &line.name);
        }
        out += "</tr>\n";
    }
    out += "</table></div>\n";
    if section.workload.is_none() && section.targets.len() > 1 {
        let compared = first.iter().filter(|line| line.kind == Kind::Compared);
        for line in compared {
            let of = |target: &Summary| {
                let line = target.figure(&line.name).into_iter();
                line.map(|line| bar(target.target.to_owned(), line, colour(target.target), "")).collect()
            };
            let mut groups = groups(&[section], of);
            groups.iter_mut().for_each(|group| group.title.clone_from(&line.name));
            out += &chart::svg(&groups, "", Scale::Linear);
        }
    }
    let ratio = |ratio: &Ratio| format!("{} / {}: {ratio}", section.targets[0].target, ratio.to);
    let words = section.targets.iter().flat_map(detail_words).chain(section.ratios.iter().map(ratio));
    let items: String = words
        .chain(section.notes.iter().cloned())
        .map(|word| format!("<li>{}</li>\n", escaped(&word)))
        .collect();
    if items.is_empty() { out } else { format!("{out}<ul>\n{items}</ul>\n") }
}

fn cell(target: &Summary, name: &str) -> String {
    let Some(line) = target.figure(name) else { return "<td>–</td>".to_owned() };
    let (Spread { median, min, max }, decimals) = (line.spread, line.decimals);
    let mark = if name == RATE && target.runs_void > 0 { "void &gt; " } else { "" };
    format!("<td>{mark}{median:.decimals$}<small>{min:.decimals$}–{max:.decimals$}</small></td>")
}

fn detail_words(target: &Summary) -> Vec<String> {
    let word = |line: &Line| {
        let (Spread { median, min, max }, decimals) = (line.spread, line.decimals);
        format!("{}: {} {median:.decimals$} ({min:.decimals$}–{max:.decimals$})", target.target, line.name)
    };
    let mut words: Vec<String> =
        target.figures.iter().filter(|line| line.kind == Kind::Detail).map(word).collect();
    if !target.faults.is_none() {
        words.push(format!("{}: {}", target.target, target.faults));
    }
    words
}
