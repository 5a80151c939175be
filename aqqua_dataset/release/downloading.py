"""How a release is downloaded and checked, as commands that people copy; the tests run them."""


def download_commands(address: str) -> str:
    """Shell commands that fetch a whole release from its address (with a slash at the end) into the present folder."""
    return f"""release={address}
get() {{ while read -r path; do
  curl --fail --silent --show-error --location --create-dirs --output "$path" "$release$path" </dev/null || return 1
done; }}
printf '%s\\n' manifest-sha256.txt RELEASED.json | get
sed -n 's/^[0-9a-f]*  //p' manifest-sha256.txt | get
cat manifest/part-*.tsv | sed '/^#/d' | cut -f 1 | get"""


CHECK_COMMANDS = """sha256sum --check --quiet manifest-sha256.txt
cat manifest/part-*.tsv | awk -F '\\t' '!/^#/ {print $3 "  " $1}' | sha256sum --check --quiet"""

PYTHON_EXAMPLE = """import aqqua_dataset

release = aqqua_dataset.open_release("{address}")
for image in release.select("instrument_id = 'ifcb'").stream(["taxon_name"]):
    pixels, label = image.pixels(), image.row["taxon_name"]"""
