"""Go's text/template over JSON values: actions, pipelines, variables, and the functions that the language itself has.

    template = parse("{{ range .items }}{{ .metadata.name }} {{ end }}", {"upper": str.upper})
    text = template.render(obj)

Maps are dicts, slices are lists, nil is None; what is missing is nil. Methods, channels and custom delimiters do not exist here.
"""

from pinnace.apimachinery.gotemplate.errors import MissingKey, TemplateError
from pinnace.apimachinery.gotemplate.execute import Template, parse
from pinnace.apimachinery.gotemplate.functions import is_true, printed

__all__ = ["MissingKey", "Template", "TemplateError", "is_true", "parse", "printed"]
