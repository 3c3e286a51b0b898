"""What cmake/group_sources.py puts together and what it leaves apart: check_grouping.py SCRIPT"""
import os
import subprocess
import sys
import tempfile

HEADER = "namespace n {\nint declared();\n}\n"
UNNAMED = "namespace n {{\nnamespace {{\n{}\n}}\n{}\n}}\n"
FIRST = '#include "first.h"\n' + UNNAMED.format("int helper(int x) { return x; }", "int first() { return helper(1); }")
# Files beside the first, and whether the two can be compiled as one.
CASES = {
    "another name": (UNNAMED.format("int other() { return 2; }", "int second() { return other(); }"), True),
    "only a comment": ("// helper\nint second() { return 2; }  /* helper */\n", True),
    "a member": ("struct S { int value; };\nint second(S s) { return s.helper; }\n", True),
    "the same function": (UNNAMED.format("long helper(long x) { return x; }", ""), False),
    "the same type": (UNNAMED.format("struct helper {};", ""), False),
    "a use of the name": ("namespace n {\nint helper(long);\nint second() { return helper(2L); }\n}\n", False),
    "its header's name": (UNNAMED.format("int declared() { return 3; }", ""), False),
    "a template": (UNNAMED.format("template <class T, class U = int>\nT helper(T x) { return x; }", ""), False),
    "a constant": ("namespace n {\nconstexpr int helper[] = {1, 2};\n}\n", False),
    "an alias": ("namespace n {\nusing helper = int;\n}\n", False),
    "a macro that stays": ("#define helper 3\n", False),
    "a macro of the build": ("int second() {\n#ifdef TENON_SPECIAL\n  return 1;\n#endif\n  return 2;\n}\n", False),
}


def together(script, folder, second):
    for name, text in (("first.h", HEADER), ("first.cpp", FIRST), ("second.cpp", second)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    paths = [os.path.join(folder, name) for name in ("first.cpp", "second.cpp")]
    out = subprocess.run([sys.executable, script, folder, os.path.join(folder, "grouped"), "t", "16", *paths],
                         check=True, capture_output=True, text=True).stdout.split()
    if len(out) == 1:
        with open(out[0], encoding="utf-8") as f:
            assert f.read() == '#include "first.cpp"\n#include "second.cpp"\n', out
        return True
    assert out == paths, out
    return False


def main():
    wrong = []
    for name, (second, expected) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            if together(sys.argv[1], folder, second) != expected:
                wrong.append(f"{name}: expected {'one group' if expected else 'two files'}")
    print("\n".join(wrong) or f"{len(CASES)} cases")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
