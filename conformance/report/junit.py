"""The report as JUnit XML: one test case an output, grouped by implementation."""

from xml.etree import ElementTree as xml

from ..records import FAILED


def render(report: dict) -> str:
    """XML text; deviations and unsupported outputs are skipped tests with their reason."""
    root = xml.Element("testsuites", name="bnconform")
    for implementation in report["implementations"]:
        rows = [row for row in report["results"] if row["implementation"] == implementation["name"]]
        count = lambda statuses, rows=rows: str(sum(row["status"] in statuses for row in rows))
        suite = xml.SubElement(
            root,
            "testsuite",
            name=implementation["name"],
            tests=str(len(rows)),
            failures=count(("fail",)),
            errors=count(("crashed", "timed out")),
            skipped=count(("deviates", "unsupported")),
        )
        for row in rows:
            _test(suite, row)
        if implementation["notes"]:
            xml.SubElement(suite, "system-out").text = "\n".join(implementation["notes"])
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _test(suite, row):
    test = xml.SubElement(suite, "testcase", classname=f"{row['implementation']}.{row['case']}", name=row["output"])
    message = f"{row['kind']}: {row['message']}" if row["kind"] else row["message"]
    if row["status"] in FAILED:
        tag = "failure" if row["status"] == "fail" else "error"
        xml.SubElement(test, tag, message=message, type=row["status"]).text = row["diagnosis"] or ""
    elif row["status"] != "pass":
        xml.SubElement(test, "skipped", message=f"{row['status']}: {message}")
