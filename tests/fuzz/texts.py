"""Documents that nobody should send: near the grammar, and near the schema."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import strategies as st

SCHEMA = (Path(__file__).parents[2] / "schema.graphql").read_text()
NAMES = sorted(set(re.findall(r"[_A-Za-z]\w*", re.sub(r'"""[\s\S]*?"""', "", SCHEMA))))
"""Every name of the schema: fields, types, arguments, enum values."""

NEVER_SEEN = ("x", "__x", "_", "on", "fragment", "query", "null", "true", "é", "x" * 300)
name = st.sampled_from((*NAMES, *NEVER_SEEN))
variable = st.sampled_from(("$a", "$b", "$input", "$"))

STRANGE = st.text(
    st.characters() | st.sampled_from('\ufeff\x00\x07\u2028\ud800\udc00\U0001f600"\\{}()[]$@#&|!'), max_size=20
)
block_string = st.tuples(st.sampled_from(("", "\n", ' \\""" ', "\\u{110000}", "\t\r\n  ")), STRANGE).map(
    lambda parts: '"""' + "".join(parts) + '"""'
)
string = st.sampled_from(
    (
        '"\\u0000"',
        '"\\uD800"',
        '"\\uD83D\\uDE00"',
        '"\\u{1F600}"',
        '"\\u{FFFFFFFFFF}"',
        '"\\x"',
        '"',
        '"\n"',
        '""',
        '"\ufeff"',
    )
) | STRANGE.map(lambda text: f'"{text}"')
number = st.sampled_from(
    ("0", "-0", "00", "1e309", "-1e-400", "9" * 400, "2147483648", "1.", ".5", "0x1", "1_0", "1e9999999")
)

value = st.recursive(
    st.one_of(string, block_string, number, variable, name, st.integers().map(str)),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{' '.join(items)}]")
        | st.lists(st.tuples(name, inner), max_size=4).map(
            lambda items: "{" + " ".join(f"{key}: {of}" for key, of in items) + "}"
        )
    ),
    max_leaves=8,
)
arguments = st.lists(st.tuples(name, value), max_size=3).map(
    lambda given: "(" + " ".join(f"{key}: {of}" for key, of in given) + ")" if given else ""
)
directive = st.sampled_from(
    (
        "@include(if: true)",
        "@skip(if: $a)",
        "@include",
        "@deprecated",
        "@x",
        "@oneOf",
        '@specifiedBy(url: "x")',
        "@skip(if: 1)",
    )
)
directives = st.lists(directive, max_size=3).map(" ".join)


def _selection(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    field = st.builds(
        "{}{}{} {} {}".format, st.sampled_from(("", "a: ", "b:")), name, arguments, directives, st.just("") | inner
    )
    fragment = st.builds("...{} {}".format, st.sampled_from(("A", "B", "C", " on Query")), directives | inner)
    inline = st.builds("... on {} {}".format, name, inner)
    return st.lists(field | fragment | inline, min_size=1, max_size=4).map(lambda them: "{ " + " ".join(them) + " }")


selection = st.recursive(
    st.sampled_from(("{ __typename }", "{ id }", "{}", "{ ...A }", "{ stats { online } }")), _selection, max_leaves=10
)
variables = st.lists(
    st.tuples(
        variable,
        st.sampled_from(("Int", "[Int!]!", "Cursor", "JoinQueueInput!", "Room", "[[[ID]]]")),
        value | st.none(),
    ),
    max_size=3,
).map(
    lambda them: (
        "(" + " ".join(f"{of}: {kind}" + (f" = {usual}" if usual else "") for of, kind, usual in them) + ")"
        if them
        else ""
    )
)
operation = st.builds(
    "{} {}{} {} {}".format,
    st.sampled_from(("query", "mutation", "subscription", "")),
    st.sampled_from(("", "Q", "R")),
    variables,
    directives,
    selection,
)
fragment = st.builds("fragment {} on {} {} {}".format, st.sampled_from(("A", "B", "C")), name, directives, selection)
document = st.lists(operation | fragment, min_size=1, max_size=4).map("\n".join)

VALID = (
    "{ __typename stats { online waiting } }",
    """query Q($room: ID!, $first: Int) { messages(roomId: $room, first: $first) { edges { node { ...M } } } }
    fragment M on Message { id sender { id } }""",
    "mutation M($input: SendSignalInput!) { sendSignal(input: $input) { __typename ... on NotFoundError { message } } }",
    'mutation { signInAnonymously(input: { displayName: "Ada" }) { ... on SignInAnonymouslySuccess { session { scope } } } }',
    "subscription S($after: Cursor) { events(after: $after) { __typename cursor at ... on Matched { room { id } } } }",
    'query { a: roomByInvite(inviteCode: "x") { name } b: room(id: "\\u00e9") @include(if: true) { members { id } } }',
)

pieces = st.sampled_from(
    (
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "...",
        "@",
        "$",
        "!",
        ":",
        "=",
        "|",
        "&",
        '"',
        '"""',
        "#",
        ",",
        "\ufeff",
        "\x00",
        " on ",
        "\\u",
    )
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid document that something happened to: cut, doubled, swapped, or with something put in between."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        change = draw(st.sampled_from(("cut", "double", "put", "name", "strange")))
        put = {
            "cut": "",
            "double": text[start:end] * draw(st.sampled_from((2, 3, 40))),
            "put": text[start:end] + draw(pieces) * draw(st.sampled_from((1, 2, 400))),
            "name": draw(name),
            "strange": draw(STRANGE),
        }[change]
        text = text[:start] + put + text[end:]
    return text


@st.composite
def floods(draw: st.DrawFn) -> str:
    """One thing over and over, up to some thousand times: near the limits and far above them."""
    many = draw(st.sampled_from((1, 10, 49, 51, 140, 400, 1_000, 5_000, 10_000)))
    return draw(
        st.sampled_from(
            (
                "{" + " ".join(f"a{n}: stats {{ online }}" for n in range(many)) + "}",
                "{" + "stats { online } " * many + "}",
                "{ me {" + "id " * many + "} }",
                "{ stats " + "@include(if: true) " * many + "{ online } }",
                "{ " + "me { " * many + "id" + " }" * many + " }",
                "{ room(id: " + "[" * many + "]" * many + ") { id } }",
                "{ room(id: " + "{a: " * many + "1" + "}" * many + ") { id } }",
                "{...F0} " + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % many} }}" for n in range(many)),
                "{...F0} " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(many)),
                "query(" + " ".join(f"$v{n}: Int = {n}" for n in range(many)) + ") { stats { online } }",
                " ".join(f"query Q{n} {{ stats {{ online }} }}" for n in range(many)),
                "{ stats { online } } " + "#" * many + "\n#" * many,
                "{ stats { online } }" + "\ufeff" * many,
                '{ room(id: "' + "\\u0041" * many + '") { id } }',
                '{ room(id: """' + '\\"""' * many + '""") { id } }',
                "{ " + " ".join(f"nothing{n}" for n in range(many)) + " }",
                "{ "
                + " ".join(f"... on Query {{ ... on Query {{ me {{ id }} x{n}: __typename }} }}" for n in range(many))
                + " }",
                "{ rooms { " + "members { " + "id " * many + "} } }",
                "mutation {" + " ".join(f"m{n}: leaveQueue {{ __typename }}" for n in range(many)) + "}",
                "query($n: [Int]) { "
                + " ".join(f"r{n}: messages(roomId: $n, first: {n}) {{ edges {{ cursor }} }}" for n in range(many))
                + " }",
                "{ __schema { types { fields { type { " + "ofType { " * many + "name" + " }" * many + " } } } } }",
            )
        )
    )


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRANGE | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | STRANGE, inner, max_size=4),
    max_leaves=10,
)


def nested(depth: int) -> object:
    """Lists and objects in each other."""
    inner: object = 1
    for level in range(depth):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


values = st.none() | st.dictionaries(
    st.sampled_from(("a", "b", "room", "first", "input", "after", "n")),
    json | st.integers(1, 1_000).map(nested),
    max_size=4,
)
texts = st.one_of(STRANGE, document, mutated(), floods())
