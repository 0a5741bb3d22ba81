use super::*;
use crate::flag::BUNDLE;

static FORCE: Flag = Flag::switch("force", "").short("f");
static ENV: Flag = Flag::list("env", "E", "").short("e");
static FORMAT: Flag = Flag::text("format", "F", "");
static COUNT: Flag = Flag::number("count", "");
static INTERVAL: Flag = Flag::duration("interval", "");
static FLAGS: &[&Flag] = &[&FORCE, &ENV, &FORMAT, &COUNT, &INTERVAL, &BUNDLE];

fn parse(order: Order, line: &str) -> Result<Invocation, String> {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    Invocation::parse(FLAGS, order, &words)
}

/// Everything a line says, as text.
fn said(order: Order, line: &str) -> String {
    let invocation = match parse(order, line) {
        Ok(invocation) => invocation,
        Err(mistake) => return format!("! {mistake}"),
    };
    let mut said = Vec::new();
    if invocation.has(&FORCE) {
        said.push(format!("force {}", invocation.switch(&FORCE)));
    }
    if invocation.switch(&HELP) {
        said.push("help".to_owned());
    }
    if invocation.has(&ENV) {
        said.push(format!("env {}", invocation.list(&ENV).join("+")));
    }
    if let Some(format) = invocation.text(&FORMAT) {
        said.push(format!("format {format}"));
    }
    if let Some(count) = invocation.number(&COUNT) {
        said.push(format!("count {count}"));
    }
    said.push(invocation.arguments_from(0).unwrap().join(" "));
    said.join(", ")
}

#[test]
fn spellings_and_places() {
    for (line, expected) in [
        ("ID", "ID"),
        ("--force ID", "force true, ID"),
        ("-force ID", "force true, ID"),
        ("-f ID", "force true, ID"),
        ("--f ID", "force true, ID"),
        ("ID -f", "force true, ID"),
        ("ID --force=false", "force false, ID"),
        ("ID --force=0 -force=T", "force true, ID"),
        ("-f true", "force true, true"),
        ("ID --format json", "format json, ID"),
        ("ID -format=json", "format json, ID"),
        ("--format= ID", "format , ID"),
        ("--format a=b ID", "format a=b, ID"),
        ("--format=a=b ID", "format a=b, ID"),
        ("--format x --format y ID", "format y, ID"),
        ("--format --force ID", "format --force, ID"),
        (
            "-f ID --format x -e A=1 -e=B=2",
            "force true, env A=1+B=2, format x, ID",
        ),
        ("--env A --env A ID", "env A+A, ID"),
        ("--count -1 ID", "count -1, ID"),
        ("ID -h", "help, ID"),
        ("--help", "help, "),
        ("-- -f ID", "-f ID"),
        ("ID -- -f", "ID -f"),
        ("ID - x", "ID - x"),
    ] {
        assert_eq!(said(Order::Anywhere, line), expected, "{line}");
    }
}

#[test]
fn mistakes() {
    for (line, expected) in [
        ("--foo ID", "! flag provided but not defined: -foo"),
        (
            "--fromat x",
            "! flag provided but not defined: -fromat (did you mean --format?)",
        ),
        ("ID -x=3", "! flag provided but not defined: -x"),
        ("--format", "! flag needs an argument: -format"),
        ("---f", "! bad flag syntax: ---f"),
        ("--=x", "! bad flag syntax: --=x"),
        ("-=x", "! bad flag syntax: -=x"),
        (
            "--force=maybe",
            r#"! invalid boolean value "maybe" for -force: parse error"#,
        ),
        (
            "--count abc",
            r#"! invalid value "abc" for flag -count: parse error"#,
        ),
        (
            "--count=",
            r#"! invalid value "" for flag -count: parse error"#,
        ),
        (
            "--interval 5",
            r#"! invalid value "5" for flag -interval: parse error"#,
        ),
        (
            "-e A --env B",
            "! Cannot use two forms of the same flag: e env",
        ),
        (
            "-f --force",
            "! Cannot use two forms of the same flag: f force",
        ),
    ] {
        assert_eq!(said(Order::Anywhere, line), expected, "{line}");
    }
}

#[test]
fn what_follows_the_first_argument_can_belong_to_somebody_else() {
    assert_eq!(
        said(Order::First, "-f ID ls -f --foo"),
        "force true, ID ls -f --foo"
    );
    assert_eq!(said(Order::First, "ID -- ls"), "ID -- ls");
    assert_eq!(said(Order::First, "-- ID ls -f"), "ID ls -f");
    assert_eq!(
        said(Order::First, "--foo ID"),
        "! flag provided but not defined: -foo"
    );

    let order = Order::AnywhereElseArguments;
    assert_eq!(said(order, "ID -x -f --foo"), "force true, ID -x --foo");
    assert_eq!(
        said(order, "--foo ID"),
        "! flag provided but not defined: -foo"
    );
}

#[test]
fn paths_are_made_absolute_and_need_not_be_text() {
    let word = OsString::from_vec(b"b\xff".to_vec());
    let invocation = Invocation::parse(FLAGS, Order::Anywhere, &["-b".into(), word.clone()]);
    let path = invocation.unwrap().path(&BUNDLE).unwrap().unwrap();
    assert_eq!(path, std::env::current_dir().unwrap().join(&word));

    let empty = parse(Order::Anywhere, "--bundle=").unwrap();
    assert_eq!(empty.path(&BUNDLE).unwrap(), None);

    let mistake = Invocation::parse(FLAGS, Order::Anywhere, &["--env".into(), word]);
    assert!(mistake.is_err());
}

#[test]
fn times_are_read() {
    let invocation = parse(Order::Anywhere, "--interval 1m30s").unwrap();
    assert_eq!(
        invocation.duration(&INTERVAL),
        Some(Duration::from_secs(90))
    );
}

#[test]
fn ids_must_be_there() {
    let empty = Invocation::parse(FLAGS, Order::Anywhere, &[OsString::new()]).unwrap();
    assert_eq!(
        empty.id().unwrap_err().message,
        "container id cannot be empty"
    );
    let odd = OsString::from_vec(vec![0xff]);
    let odd = Invocation::parse(FLAGS, Order::Anywhere, &[odd]).unwrap();
    assert_eq!(odd.id().unwrap_err().message, "invalid container ID format");
}
