# Runs the lines that README.md's section on installing gives for a first program, as they stand there, in a new home whose
# .local is PREFIX, beside the tests of a clone: sh first_program.sh ROOT PREFIX
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
ln -s "$2" "$home/.local"
ln -s "$1/tests" "$home/tests"
awk '/^## / { here = $2 == "Install" } here && /^```/ { fence++; next } here && fence == 3' "$1/README.md" >"$home/lines"
for part in PKG_CONFIG_PATH pkg-config ./first; do
    grep -q -e "$part" "$home/lines" || { echo "README.md: no $part in the second block of 'Install'" >&2; exit 1; }
done
cat "$home/lines"
cd "$home"
unset LD_LIBRARY_PATH
HOME=$home PKG_CONFIG_PATH= sh -eu lines
ldd first | grep -F "$home/.local" || { echo "the program finds another libclconv" >&2; exit 1; }
