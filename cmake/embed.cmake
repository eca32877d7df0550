# Writes OUTPUT, a C file with the table of kernel sources that src/opencl/sources.c reads: FILES (comma-separated, relative
# to ROOT) as byte arrays, since C compilers need not accept string literals of that length.
string(REPLACE "," ";" names "${FILES}")
set(arrays "")
set(table "")
set(index 0)
foreach(name IN LISTS names)
  file(READ ${ROOT}/${name} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const unsigned char file_${index}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", (const char *)file_${index}, sizeof file_${index} - 1},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT}.new
     "/* Made by cmake/embed.cmake from cl/. */\n#include \"opencl/sources.h\"\n\n${arrays}\n"
     "const embedded_source embedded_sources[] = {\n${table}    {NULL, NULL, 0},\n};\n")
file(RENAME ${OUTPUT}.new ${OUTPUT})
