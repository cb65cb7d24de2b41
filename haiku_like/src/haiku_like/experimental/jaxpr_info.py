"""What a model runs, and what it costs: operations, FLOPs and bytes by module, as text and as HTML that folds."""

from haiku_like.inspect.html import as_html as as_html
from haiku_like.inspect.html import as_html_page as as_html_page
from haiku_like.inspect.html import css as css
from haiku_like.inspect.html import js as js
from haiku_like.inspect.model_info import Expression as Expression
from haiku_like.inspect.model_info import Module as Module
from haiku_like.inspect.model_info import format_module as format_module
from haiku_like.inspect.model_info import make_model_info as make_model_info

__all__ = [
    "Expression",
    "Module",
    "as_html",
    "as_html_page",
    "css",
    "format_module",
    "js",
    "make_model_info",
]
