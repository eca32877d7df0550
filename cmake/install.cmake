# Installs the library, its header, and what find_package(clconv) and pkg-config read; the tree can be moved afterwards.
# A static library leaves its own dependencies to whoever links it, so both descriptions name them.
include(CMakePackageConfigHelpers)

if(library_type STREQUAL "STATIC_LIBRARY")
  set(clconv_is_static ON)
  set(clconv_pc_cflags "-DCLCONV_STATIC")
else()
  set(clconv_is_static OFF)
  set(clconv_pc_cflags "")
endif()
set(clconv_pc_private_libs "-lm ${CMAKE_THREAD_LIBS_INIT}")
if(CLCONV_CLBLAST)
  string(PREPEND clconv_pc_private_libs "-lclblast ")
endif()
set(clconv_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/clconv)
file(RELATIVE_PATH clconv_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" clconv_pc_prefix "${clconv_pc_prefix}")

configure_package_config_file(cmake/clconv-config.cmake.in clconv-config.cmake INSTALL_DESTINATION ${clconv_package_dir})
write_basic_package_version_file(clconv-config-version.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/clconv.pc.in clconv.pc @ONLY)

install(TARGETS clconv EXPORT clconv-targets)
install(FILES include/clconv.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT clconv-targets NAMESPACE clconv:: DESTINATION ${clconv_package_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/clconv-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/clconv-config-version.cmake
        DESTINATION ${clconv_package_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/clconv.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The installed tool finds the installed library beside it, wherever that is.
if(TARGET clconv_tool AND NOT clconv_is_static)
  file(RELATIVE_PATH library_from_tool "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
  if(APPLE)
    set(tool_folder "@loader_path")
  else()
    set(tool_folder "$ORIGIN")
  endif()
  set_target_properties(clconv_tool PROPERTIES INSTALL_RPATH "${tool_folder}/${library_from_tool}")
endif()
