# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual against the program: nothing missing, nothing that is not there, and every
example printed as it stands in the page."""

import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
P2PTRACE = os.environ.get("P2PTRACE", os.path.join(BUILD, "p2ptrace"))
DEMO = os.path.join(ROOT, "tests/fixtures/demo.dat")


def load_examples():
    path = os.path.join(ROOT, "tools/manual-examples")
    loader = importlib.machinery.SourceFileLoader("manual_examples", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def p2ptrace(*arguments):
    done = subprocess.run([P2PTRACE, *arguments], check=True, text=True, capture_output=True)
    return done.stdout


def words(text):
    return text.split()


def page(name):
    """A page without its macros and escapes."""
    with open(os.path.join(ROOT, "man", name), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"\\f[A-Z]|\\&", "", text.replace("\\-", "-").replace("\\\n", ""))
    # Of the alternating macros (.BR -o ", " --output) the quotes and blanks go.
    return re.sub(r'^\.[A-Z]+ (.*)$', lambda line: line[1].replace('"', ""), text, flags=re.M)


def section(text, title):
    found = re.search(rf"^{title}\n(.*?)(?=^[A-Z][A-Z ]+\n|\Z)", text, re.M | re.S)
    return found[1] if found else ""


def keys_of(document):
    """All keys of a JSON document, but not those inside of histograms."""
    if isinstance(document, list):
        return set().union(*map(keys_of, document)) if document else set()
    if not isinstance(document, dict):
        return set()
    return set(document) | set().union(*map(keys_of, document.values()))


class Pages(unittest.TestCase):
    def commands(self):
        return words(p2ptrace("--list-commands"))

    def test_every_command_has_a_page_and_every_page_a_command(self):
        pages = {name[len("p2ptrace-"):-2] for name in os.listdir(os.path.join(ROOT, "man"))
                 if name.startswith("p2ptrace-") and name.endswith(".1")}
        self.assertEqual(pages, set(self.commands()))

    def test_every_command_stands_in_the_first_page(self):
        overview = page("p2ptrace.1")
        for command in self.commands():
            with self.subTest(command=command):
                self.assertRegex(section(overview, "COMMANDS"), rf"p2ptrace-{command}\b")
                self.assertRegex(section(overview, "SEE ALSO"), rf"p2ptrace-{command}\b")

    def test_every_option_is_described_and_none_is_made_up(self):
        for command in self.commands():
            with self.subTest(command=command):
                there = set(words(p2ptrace("--list-options", command))) | {"--help"}
                text = section(page(f"p2ptrace-{command}.1"), "OPTIONS")
                told = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
                self.assertEqual(there - set(told.findall(text)), set(), "not described")
                tags = " ".join(line for line in text.splitlines() if line.startswith("-"))
                self.assertEqual(set(told.findall(tags)) - there, set(), "made up")

    def test_the_letters_of_options_are_right(self):
        for command in self.commands():
            with self.subTest(command=command):
                text = section(page(f"p2ptrace-{command}.1"), "OPTIONS")
                for letter, name in re.findall(r"^  (-\w), (--[\w-]+)", p2ptrace(command, "-h"),
                                               re.M):
                    self.assertRegex(text, rf"(?m){letter}\b[ ,(]*{name}\b", name)


    def test_every_finding_is_described(self):
        with open(os.path.join(ROOT, "src/analysis/findings.c"), encoding="utf-8") as file:
            known = set(re.findall(r'SEVERITY_[A-Z]+,\s*"([a-z0-9-]+)"', file.read()))
        told = section(page("p2ptrace-analyze.1"), "FINDINGS")
        self.assertGreater(len(known), 5)
        self.assertLessEqual(known, set(re.findall(r"[a-z0-9-]+", told)))


class Json(unittest.TestCase):
    """Every key that a document has stands in the page's section JSON."""

    def check(self, command, *options, documents=None):
        text = section(page(f"p2ptrace-{command}.1"), "JSON")
        text += section(page(f"p2ptrace-{command}.1"), "COLUMNS")
        documents = documents or [json.loads(p2ptrace(command, DEMO, "--json", *options))]
        schemas = {document["schema"] for document in documents if "schema" in document}
        for key in sorted(set().union(*map(keys_of, documents)) | schemas):
            with self.subTest(command=command, key=key):
                if not re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", text):
                    self.fail("not in the page's section JSON")

    def test_report(self):
        self.check("report", "--by", "pair,pid,tid,cpu", "--timeline", "--type", "BUS_ADDR",
                   "--time", ",90%")

    def test_leaks(self):
        self.check("leaks", "--by", "pid,stack")

    def test_analyze(self):
        self.check("analyze")

    def test_check(self):
        self.check("check", documents=[json.loads(p2ptrace("check", DEMO, "--json", "--no-loss"))])

    def test_info(self):
        self.check("info")

    def test_events(self):
        lines = p2ptrace("events", DEMO, "--json").splitlines()
        self.check("events", documents=[json.loads(line) for line in lines])


class Examples(unittest.TestCase):
    maxDiff = None

    def test_they_print_what_the_pages_show(self):
        examples, count = load_examples(), 0
        for name in examples.PAGES:
            with self.subTest(page=name):
                text, wanted, here = examples.check(name, BUILD)
                count += here
                self.assertEqual(text, wanted, "to renew: tools/manual-examples --write")
        self.assertGreater(count, 5)


class Completion(unittest.TestCase):
    def complete(self, *line):
        """What bash offers for the last word."""
        script = """
            . "$1"; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _p2ptrace; printf '%s\\n' "${COMPREPLY[@]}" """
        environment = dict(os.environ, PATH=os.path.dirname(P2PTRACE) + ":" + os.environ["PATH"])
        done = subprocess.run(["bash", "-c", script, "bash",
                               os.path.join(ROOT, "contrib/completions/p2ptrace.bash"), *line],
                              cwd=ROOT, env=environment, check=True, text=True, capture_output=True)
        return words(done.stdout)

    def test_commands(self):
        self.assertLessEqual(set(words(p2ptrace("--list-commands"))),
                             set(self.complete("p2ptrace", "")))
        self.assertEqual(self.complete("p2ptrace", "lea"), ["leaks"])

    def test_options(self):
        self.assertEqual(self.complete("p2ptrace", "leaks", "--min"), ["--min-age"])
        self.assertEqual(self.complete("p2ptrace", "info", "--min"), [])

    def test_files(self):
        self.assertEqual(self.complete("p2ptrace", "info", "READM"), ["README.md"])


if __name__ == "__main__":
    unittest.main()
