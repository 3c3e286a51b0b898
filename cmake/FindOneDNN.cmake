# Finds oneDNN >= 3.2: in .venv (the PyPI package onednn-devel-cpu-gomp), in the environment of a Python build (SKBUILD),
# below OneDNN_ROOT or installed in the system.
# Gives dnnl::dnnl. Its library lies as a link in the build tree's lib folder, so that every run path there is
# $ORIGIN-relative as in an install. Sets OneDNN_FOUND, OneDNN_VERSION, OneDNN_LIBRARY (the file to install beside
# libtenon) and OneDNN_SONAME (the name to install it under).
set(hints ${PROJECT_SOURCE_DIR}/.venv)
if(SKBUILD)
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import importlib.metadata as m; \
print(next(f.locate().resolve().parent.parent for f in m.files('onednn-devel-cpu-gomp') if f.name == 'dnnl.hpp' \
and f.parent.name == 'include'))" OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(PREPEND hints ${prefix})
endif()
find_path(OneDNN_HEADERS oneapi/dnnl/dnnl.hpp HINTS ${hints} PATH_SUFFIXES include)
find_library(OneDNN_LIBRARY dnnl HINTS ${hints} PATH_SUFFIXES lib lib64)

set(OneDNN_VERSION)
if(OneDNN_HEADERS)
  file(STRINGS ${OneDNN_HEADERS}/oneapi/dnnl/dnnl_version.h lines REGEX "#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
  string(REPLACE ";" "." OneDNN_VERSION "${numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS OneDNN_LIBRARY OneDNN_HEADERS VERSION_VAR OneDNN_VERSION)
mark_as_advanced(OneDNN_HEADERS OneDNN_LIBRARY)

if(OneDNN_FOUND AND NOT TARGET dnnl::dnnl)
  file(REAL_PATH ${OneDNN_LIBRARY} real)
  string(REGEX MATCH "^[0-9]+" major ${OneDNN_VERSION})
  set(OneDNN_SONAME libdnnl.so.${major})
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  file(CREATE_LINK ${real} ${PROJECT_BINARY_DIR}/lib/${OneDNN_SONAME} SYMBOLIC)
  add_library(dnnl::dnnl SHARED IMPORTED GLOBAL)
  set_target_properties(dnnl::dnnl PROPERTIES
    IMPORTED_LOCATION ${PROJECT_BINARY_DIR}/lib/${OneDNN_SONAME} IMPORTED_SONAME ${OneDNN_SONAME}
    INTERFACE_INCLUDE_DIRECTORIES ${OneDNN_HEADERS})
endif()
