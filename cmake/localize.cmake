# Makes one object of a static libclconv in which only clconv_* is global, so that a program that links it may use the
# internal names for its own. A shared library needs none of this: it hides them by visibility.
if(CMAKE_OBJCOPY AND NOT APPLE AND NOT CLCONV_SANITIZE AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  add_custom_command(
    TARGET clconv
    POST_BUILD
    COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o clconv_whole.o -Wl,--whole-archive $<TARGET_FILE:clconv>
    COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=clconv_* clconv_whole.o
    COMMAND ${CMAKE_COMMAND} -E rm $<TARGET_FILE:clconv>
    COMMAND ${CMAKE_AR} qcs $<TARGET_FILE:clconv> clconv_whole.o
    COMMAND ${CMAKE_COMMAND} -E rm clconv_whole.o
    VERBATIM)
endif()
