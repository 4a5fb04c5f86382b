from typing import Any

import pytest

from pinnace.apimachinery.gotemplate import TemplateError, parse

DATA: dict[str, Any] = {
    "name": "web", "count": 3, "ratio": 0.5, "on": True, "nothing": None,
    "items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "map": {"y": 2, "x": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ .name }}-{{ .count }}-{{ .ratio }}-{{ .on }}", "web-3-0.5-true"),
        ("{{ .missing }} {{ .missing.deeper }}", "<no value> <no value>"),
        ("{{ .map }} {{ .items }}", "map[x:1 y:2] [map[n:1 name:a] map[n:2 name:b]]"),
        ("a  {{- /* gone */ -}}  b", "ab"),
        ("a {{- .name -}} b", "awebb"),
        ("a {{ -3 }}", "a -3"),
        ("{{ if .on }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if .nothing }}1{{ else if eq .count 3 }}2{{ else }}3{{ end }}", "2"),
        ("{{ with .missing }}x{{ else with .name }}{{ . }}{{ end }}", "web"),
        ("{{ range .items }}{{ .name }}{{ end }}", "ab"),
        ("{{ range $i, $one := .items }}{{ $i }}{{ $one.name }}{{ $.name }} {{ end }}", "0aweb 1bweb "),
        ("{{ range $k, $v := .map }}{{ $k }}={{ $v }};{{ end }}", "x=1;y=2;"),
        ("{{ range .missing }}x{{ else }}none{{ end }}", "none"),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ range .items }}{{ if eq .n 2 }}{{ break }}{{ end }}{{ .name }}{{ end }}", "a"),
        ("{{ range .items }}{{ if eq .n 1 }}{{ continue }}{{ end }}{{ .name }}{{ end }}", "b"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"),
        ("{{ (index .items 1).name }} {{ index .map \"x\" }}", "b 1"),
        ("{{ .count | printf \"%s-%03d\" .name | len }}", "7"),
        ("{{ printf \"%s-%03d %v %q\" .name .count .on .name }}", 'web-003 true "web"'),
        ("{{ or .missing .name }} {{ and .name .count }} {{ not .on }}", "web 3 false"),
        ("{{ or .on (index .missing 1) }}", "true"),
        ("{{ eq .name \"x\" \"web\" }} {{ ne 1 2 }} {{ lt 1 2 }} {{ ge .count 3 }}", "true true true true"),
        ("{{ len .items }} {{ slice .name 1 2 }} {{ print 1 2 \"a\" 3 }}", "2 e 1 2a3"),
        ("{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" .name }}", "<web>"),
        ("{{ block \"b\" .count }}[{{ . }}]{{ end }}", "[3]"),
        ("{{ `raw \"}}\"` }} {{ \"a\\tb\" }} {{ 'a' }} {{ 0x10 }}", 'raw "}}" a\tb 97 16'),
        ("{{ upper .name }}", "WEB"),
        ("{{ .name | upper }}", "WEB"),
    ],
)  # fmt: skip
def test_renders(template: str, text: str) -> None:
    assert parse(template, {"upper": str.upper}).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ .name ", "unclosed action"),
        ("{{ if .on }}x", "unexpected EOF"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ nonsense }}", 'function "nonsense" not defined'),
        ("{{ .name .count }}", "can't give argument to non-function"),
        ("{{ (.name }}", "unclosed left paren"),
        ("{{ .name ? }}", "unexpected '?'"),
    ],
)
def test_wrong_templates(template: str, says: str) -> None:
    with pytest.raises(TemplateError) as failure:
        parse(template)
    assert says in str(failure.value)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ index .missing 1 }}", "index of untyped nil"),
        ("{{ index .items 7 }}", "out of range"),
        ("{{ .name.more }}", "can't evaluate field more"),
        ("{{ $nowhere }}", "undefined variable: $nowhere"),
        ("{{ range .name }}{{ end }}", "range can't iterate over web"),
        ("{{ template \"nowhere\" }}", 'template "nowhere" not defined'),
        ("{{ lt 1 \"a\" }}", "incompatible types"),
        ("{{ define \"t\" }}{{ template \"t\" . }}{{ end }}{{ template \"t\" . }}", "maximum template depth"),
    ],
)  # fmt: skip
def test_failures_while_rendering(template: str, says: str) -> None:
    with pytest.raises(TemplateError) as failure:
        parse(template).render(DATA)
    assert says in str(failure.value)
