//! Templates from their text to what they print.

use super::*;
use proptest::prelude::*;

fn data() -> Value {
    let matches = [("", "last"), ("Cfgfile", "/etc/x.cf"), ("n", "7")];
    let matches = matches.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let groups = ["/a".to_owned(), "/b/c".to_owned()];
    let fields = vec![
        ("Comm", Value::text("cat")),
        ("PID", Value::int(42)),
        ("Matches", Value::map(matches)),
        (
            "StartTime",
            Value::time("2026-03-04T05:06:07.08Z".parse().unwrap()),
        ),
        ("Cgroups", Value::list(groups)),
    ];
    Value::record("sample.Process", fields)
}

fn render(text: &str) -> (String, bool) {
    let template = Template::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut out = Vec::new();
    let result = template.render(&data(), &mut out);
    (String::from_utf8(out).unwrap(), result.is_ok())
}

#[test]
fn renders() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{.Comm | }}", "cat"),
        ("{{.Comm}}:{{.PID}}", "cat:42"),
        (" {{- .Comm -}} \n x", "catx"),
        ("a{{/* note */}}b {{- /* note */ -}} c", "abc"),
        (
            "{{.Matches.Cfgfile}} {{.Matches.none}}",
            "/etc/x.cf <no value>",
        ),
        (
            "{{index .Matches \"none\"}}|{{index .Matches \"\"}}",
            "|last",
        ),
        ("{{index .Cgroups 1}} {{len .Cgroups}}", "/b/c 2"),
        ("{{slice .Comm 1}} {{slice .Comm 0 2}}", "at ca"),
        (
            "{{.Matches}} {{.Cgroups}}",
            "map[:last Cfgfile:/etc/x.cf n:7] [/a /b/c]",
        ),
        ("{{with .Matches.none}}x{{else}}y{{end}}", "y"),
        ("{{with $x := .Comm}}{{.}}{{$x}}{{end}}", "catcat"),
        (
            "{{if eq .Comm \"dog\" \"cat\"}}1{{else if true}}2{{end}}",
            "1",
        ),
        (
            "{{if gt .PID 100}}1{{else if gt .PID 40}}2{{else}}3{{end}}",
            "2",
        ),
        (
            "{{range $i, $c := .Cgroups}}{{$i}}={{$c}};{{end}}",
            "0=/a;1=/b/c;",
        ),
        (
            "{{range .Cgroups}}{{if eq . \"/b/c\"}}{{break}}{{end}}{{.}}{{end}}",
            "/a",
        ),
        (
            "{{range .Cgroups}}{{if eq . \"/a\"}}{{continue}}{{end}}{{.}}{{end}}",
            "/b/c",
        ),
        (
            "{{range $k, $v := .Matches}}{{$k}}:{{$v}},{{end}}",
            ":last,Cfgfile:/etc/x.cf,n:7,",
        ),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .Matches.none}}x{{else}}none{{end}}", "none"),
        (
            "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Comm}}",
            "<cat>",
        ),
        ("{{block \"t\" .PID}}[{{.}}]{{end}}", "[42]"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"),
        ("{{.Comm | printf \"%s-%d\" \"a\" | len}}", "17"),
        (
            "{{printf \"%05d|%-4s|%4s|%q|%x|%.2f|%t|%T|%%\" .PID .Comm \"é\" \"a\\\"\" \"hi\" 1.5 true .PID}}",
            "00042|cat |   é|\"a\\\"\"|6869|1.50|true|int|%",
        ),
        (
            "{{printf \"%v %v %v %[2]v %[9]d\" .Matches.none 1.0 1e6}}",
            "<nil> 1 1e+06 1 %!d(BADINDEX)",
        ),
        ("{{printf \"%d %s\" .Comm}}", "%!d(string=cat) %!s(MISSING)"),
        ("{{printf \"%s\" 1 2}}", "%!s(int=1)%!(EXTRA int=2)"),
        ("{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3"),
        ("{{println .Comm 1}}", "cat 1\n"),
        (
            "{{html \"<a>&'\"}} {{urlquery \"a b/\"}} {{js \"it's\"}}",
            "&lt;a&gt;&amp;&#39; a+b%2F it\\'s",
        ),
        (
            "{{and .Comm 0 .PID}} {{or \"\" .Matches.none .PID}} {{not .Comm}}",
            "0 42 false",
        ),
        ("{{or true (index .Cgroups 9)}}", "true"),
        ("{{.StartTime}}", "2026-03-04 05:06:07.08 +0000 UTC"),
        (
            "{{.StartTime.Unix}} {{.StartTime.Month}} {{printf \"%d\" .StartTime.Month}}",
            "1772600767 March 3",
        ),
        (
            "{{.StartTime.Format \"Mon Jan _2 15:04:05.000 2006 MST -07:00 Z07:00 02/1/06 3PM 002\"}}",
            "Wed Mar  4 05:06:07.080 2026 UTC +00:00 Z 04/3/26 5AM 063",
        ),
        (
            "{{(index .Cgroups 0) | printf \"%q\"}} {{`raw\\n`}} {{'a'}} {{0x1F}} {{1_000}}",
            "\"/a\" raw\\n 97 31 1000",
        ),
        (
            "{{(.StartTime).Year}} {{$.Comm}} {{$s := .}}{{$s.PID}}",
            "2026 cat 42",
        ),
    ] {
        assert_eq!(render(text), (expected.to_owned(), true), "{text}");
    }
}

#[test]
fn wholes_and_what_they_are_made_of() {
    let process =
        "{cat 42 map[:last Cfgfile:/etc/x.cf n:7] 2026-03-04 05:06:07.08 +0000 UTC [/a /b/c]}";
    for (text, expected) in [
        ("{{.}}", process),
        ("{{html .}}", process),
        ("{{print .}}", &format!("&{process}")),
        (
            "{{printf \"%T %T\" . .StartTime}}",
            "*sample.Process time.Time",
        ),
        (
            "{{printf \"%+v\" .}}",
            "&{Comm:cat PID:42 Matches:map[:last Cfgfile:/etc/x.cf n:7] \
             StartTime:2026-03-04 05:06:07.08 +0000 UTC Cgroups:[/a /b/c]}",
        ),
        (
            "{{printf \"%#v\" .}}",
            "&sample.Process{Comm:\"cat\", PID:42, Matches:map[string]string{\"\":\"last\", \
             \"Cfgfile\":\"/etc/x.cf\", \"n\":\"7\"}, StartTime:time.Date(2026, time.March, 4, 5, 6, 7, \
             80000000, time.UTC), Cgroups:[]string{\"/a\", \"/b/c\"}}",
        ),
        ("{{printf \"%d\" .StartTime}}", "{80000000 63908197567 0}"),
        ("{{eq . $}} {{eq .StartTime $.StartTime.UTC}}", "true true"),
        (
            "{{.Matches.none | html}}|{{print .Matches.none}}",
            "&lt;no value&gt;|<nil>",
        ),
        (
            "{{print .StartTime.Unix .StartTime.Location}}",
            "1772600767 UTC",
        ),
    ] {
        assert_eq!(render(text), (expected.to_owned(), true), "{text}");
    }
}

#[test]
fn methods_of_times() {
    for (action, expected) in [
        (".StartTime.Add 1e9", "2026-03-04 05:06:08.08 +0000 UTC"),
        (
            ".StartTime.Add -1",
            "2026-03-04 05:06:07.079999999 +0000 UTC",
        ),
        (
            ".StartTime.AddDate 0 -1 28",
            "2026-03-04 05:06:07.08 +0000 UTC",
        ),
        (
            "1 | .StartTime.AddDate 0 0",
            "2026-03-05 05:06:07.08 +0000 UTC",
        ),
        (
            ".StartTime.Truncate 60000000000",
            "2026-03-04 05:06:00 +0000 UTC",
        ),
        (
            ".StartTime.Round 1000000000",
            "2026-03-04 05:06:07 +0000 UTC",
        ),
        (".StartTime.Before (.StartTime.Add 1)", "true"),
        (".StartTime.After .StartTime", "false"),
        (".StartTime.Equal .StartTime.UTC", "true"),
        (".StartTime.Compare (.StartTime.Add 1)", "-1"),
        (
            "(.StartTime.Sub (.StartTime.Add -5400000000000)).Hours",
            "1.5",
        ),
        ("(.StartTime.Sub .StartTime.UTC).String", "0s"),
        (
            "((.StartTime.Add 2500000000).Sub .StartTime).Round 1000000000",
            "3s",
        ),
        ("(.StartTime.AddDate -60 0 0).Unix", "-120855233"),
        (
            "(.StartTime.In .StartTime.Location).Weekday.String",
            "Wednesday",
        ),
        (".StartTime.Month.String", "March"),
        (
            "printf \"%s\" .StartTime.MarshalJSON",
            "\"2026-03-04T05:06:07.08Z\"",
        ),
        ("printf \"%s\" (.StartTime.AppendFormat nil \"06\")", "26"),
        ("len .StartTime.MarshalBinary", "15"),
        (
            "range .StartTime.Weekday}}{{.}} {{end",
            "Sunday Monday Tuesday ",
        ),
    ] {
        let text = format!("{{{{{action}}}}}");
        assert_eq!(render(&text), (expected.to_owned(), true), "{text}");
    }
    for action in [
        ".StartTime.Add 1.5",
        ".StartTime.Add \"1h\"",
        ".StartTime.Add .PID",
        "1 | .StartTime.Add",
        ".StartTime.AddDate 0 0",
        ".StartTime.Format .Matches.none",
        ".StartTime.Sub nil",
        ".StartTime.In nil",
        ".StartTime.ISOWeek",
        ".StartTime.Zone",
        ".StartTime.Year 1",
        ".PID.String",
        ".StartTime.AddDate 10000 0 0",
    ] {
        let text = format!("a{{{{{action}}}}}");
        assert_eq!(render(&text), ("a".to_owned(), false), "{text}");
    }
}

#[test]
fn numbers() {
    for (number, expected) in [
        ("1e3", "float64 1000"),
        ("0x1p-2", "float64 0.25"),
        ("+0x1e", "float64 30"),
        ("0x1e", "int 30"),
        ("-0", "int 0"),
        ("1_0", "int 10"),
        ("'\\x41'", "int 65"),
        ("1+2i", "complex128 (1+2i)"),
        ("-1e2-.5i", "complex128 (-100-0.5i)"),
        ("0i", "complex128 (0+0i)"),
    ] {
        let text = format!("{{{{printf \"%T %v\" {number} {number}}}}}");
        assert_eq!(render(&text), (expected.to_owned(), true), "{text}");
    }
    assert_eq!(render("a{{18446744073709551615}}"), ("a".to_owned(), false));
    for text in [
        "{{18446744073709551616}}",
        "{{1e1000}}",
        "{{0b2}}",
        "{{1+2}}",
        "{{0b1+1i}}",
    ] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
}

#[test]
fn formats() {
    for (arguments, expected) in [
        (
            "\"%#x|% x|%# X|%.1x\" \"hi\" \"hi\" \"hi\" \"hi\"",
            "0x6869|68 69|0X68 0X69|68",
        ),
        (
            "\"%+q|%#q|%q\" \"é`\" \"é\" \"\\u00ad\"",
            "\"\\u00e9`\"|`é`|\"\\u00ad\"",
        ),
        ("\"%s|%q\" \"\\xff\" \"\\xff\" | len", "8"),
        (
            "\"%6.2f|%-7.1e|%+06d|%06.1f\" 1.5 1.5 7 -1.5",
            "  1.50|1.5e+00|+00007|-001.5",
        ),
        (
            "\"%#g|%#.3x|%b|%x\" 1.0 1.0 1.0 2.5",
            "1.00000|0x1.000p+00|4503599627370496p-52|0x1.4p+01",
        ),
        (
            "\"%U|%#U|%c|%O|%#b\" 8232 233 233 8 5",
            "U+2028|U+00E9 'é'|é|0o10|0b101",
        ),
        ("\"%t|%d\" 1 true", "%!t(int=1)|%!d(bool=true)"),
        ("\"%08.2T|%.1w\" nil \"ab\"", "000<nil>|%!w(string=a)"),
        (
            "\"%v|%d|%s|%x\" .StartTime.Month .StartTime.Month .StartTime.Month 3",
            "March|3|March|3",
        ),
        (
            "\"%[3]*.[2]*[1]f|%[2]2d|%.[1]2[1]d\" 1.0 2 6",
            "  1.00|%!d(BADINDEX)|%![(float64=1)1]d",
        ),
        (
            "\"%*d|%-*d|%*d|%.*d\" 3 7 3 7 \"x\" 7 -1 7",
            "  7|7  |%!(BADWIDTH)7|%!(BADPREC)7",
        ),
        ("\"%9d %.\" 1", "        1 %!.(MISSING)"),
        ("\"%10000010d|\" 1", "%!(NOVERB)%!(EXTRA int=1)"),
    ] {
        let text = format!("{{{{printf {arguments}}}}}");
        assert_eq!(render(&text), (expected.to_owned(), true), "{text}");
    }
}

#[test]
fn strings_that_are_no_text() {
    let template = Template::parse("{{slice \"é\" 0 1}}{{slice \"é\" 1}}|{{\"\\xff\"}}").unwrap();
    let mut out = Vec::new();
    template.render(&data(), &mut out).unwrap();
    assert_eq!(out, b"\xc3\xa9|\xff");
}

#[test]
fn variables_and_where_they_are_seen() {
    for (text, expected, ok) in [
        (
            "{{$x := 5}}{{range $x := .Cgroups}}{{$x = 7}}{{$x}}{{end}}{{$x}}",
            "775",
            true,
        ),
        (
            "{{$x := 5}}{{range $x = .Cgroups}}{{end}}{{$x}}",
            "/b/c",
            true,
        ),
        (
            "{{range $x := .Matches.none}}{{else}}{{$x}}{{end}}",
            "<no value>",
            true,
        ),
        (
            "{{range 2}}{{range 0}}{{else}}{{break}}{{end}}{{.}}{{end}}",
            "01",
            true,
        ),
        (
            "{{range 2}}{{range 0}}{{else}}{{continue}}{{end}}{{.}}{{end}}",
            "",
            true,
        ),
        ("{{($x := 1)}}{{$x}}", "11", true),
        ("a{{range $i, $x := 0}}{{end}}b", "a", false),
        ("a{{range $x = .Cgroups}}{{$x}}{{end}}", "a", false),
        ("a{{if $x := $x}}{{end}}", "a", false),
        (
            "{{define \"t\"}} {{end}}{{block \"t\" .}}x{{end}}",
            "x",
            true,
        ),
        (
            "{{block \"t\" .}}x{{end}}{{define \"t\"}} {{end}}",
            "x",
            true,
        ),
    ] {
        assert_eq!(render(text), (expected.to_owned(), ok), "{text}");
    }
}

#[test]
fn errors_at_run_time_keep_what_was_written() {
    for (text, expected) in [
        ("a{{.Nope}}b", "a"),
        ("a{{nil}}b", "a"),
        ("a{{$x = 1}}b", "a"),
        ("a{{index .Cgroups 9}}b", "a"),
        ("a{{slice .Comm 9}}b", "a"),
        ("a{{template \"nope\"}}b", "a"),
        ("a{{len 3}}b", "a"),
        ("a{{lt 1 1.5}}b", "a"),
        ("a{{eq 1 \"x\"}}b", "a"),
        ("a{{.Comm 1}}b", "a"),
        ("a{{call .Comm}}b", "a"),
        ("a{{.StartTime.Nope}}b", "a"),
        ("a{{.Comm.Nope}}b", "a"),
        ("{{define \"t\"}}x{{template \"t\"}}{{end}}a{{len 1}}", "a"),
    ] {
        assert_eq!(render(text), (expected.to_owned(), false), "{text}");
    }
}

#[test]
fn errors_of_syntax() {
    for text in [
        "{{",
        "{{.Comm",
        "{{nope .Comm}}",
        "{{$x}}",
        "{{end}}",
        "{{if true}}",
        "{{else}}",
        "{{if}}x{{end}}",
        "{{/* open",
        "{{\"open}}",
        "{{| }}",
        "{{| .Comm}}",
        "{{08}}",
        "{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}",
        "{{range .}}{{else}}{{else}}{{end}}",
        "{{break}}",
        "{{define t}}{{end}}",
        "{{(1}}",
        "{{1)}}",
        "{{template .Comm}}",
        "{{.Comm | 1}}",
        "{{ 'ab' }}",
        "{{1x}}",
        "{{.a$b}}",
        "{{$x, $y := 1}}",
        "{{if true}}{{define \"x\"}}{{end}}{{end}}",
        "{{end .}}",
        "{{$x=1}}",
        "{{/* c */  -}}",
        "{{-  /* c */}}",
        "{{\"\\x+1\"}}",
        "{{.²}}",
    ] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
}

#[test]
fn templates_that_never_end_are_stopped() {
    let endless = "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}";
    assert!(!render(endless).1);
    assert!(!render("{{range 1000000000}}x{{end}}").1);
    assert!(Template::parse(&format!("{{{{{}", "(".repeat(100_000))).is_err());
    assert!(Template::parse(&"{{if 1}}".repeat(100_000)).is_err());
    assert!(Template::parse(&"{{if 1}}{{else ".repeat(50_000)).is_err());
    assert!(!render("{{printf \"%999999999d\" 1}}").0.contains("  "));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        text: String,
        actions in "(\\{\\{[-a-z.$|()\"%0-9 :=]{0,12}\\}\\}|x){0,6}",
        format in "[%a-z0-9.*+# -]{0,10}",
    ) {
        let printf = format!("{{{{printf {format:?} .PID .Comm .StartTime .Cgroups 1.5}}}}");
        let layout = format!("{{{{.StartTime.Format {format:?}}}}}");
        for text in [&text, &actions, &format!("{{{{{text}}}}}"), &printf, &layout] {
            if let Ok(template) = Template::parse(text) {
                let _ = template.render(&data(), &mut Vec::new());
            }
        }
    }
}
