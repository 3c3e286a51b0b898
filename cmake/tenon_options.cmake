# Language level, warnings, run paths and compiler cache that every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
if(TENON_SANITIZE)
  # Unoptimised: compiling with the sanitizers' checks takes longer than running the tests.
  set(CMAKE_CXX_FLAGS_RELEASE "-O0 -g1 -DNDEBUG")
else()
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()

# Libraries find each other, and programs find libraries, by $ORIGIN: in the build tree, installed and in a wheel.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
file(RELATIVE_PATH tenon_lib_from_bin /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
set(CMAKE_INSTALL_RPATH "$ORIGIN;$ORIGIN/${tenon_lib_from_bin}")

add_library(tenon_flags INTERFACE)
target_compile_options(tenon_flags INTERFACE
  "$<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Wconversion;-Wno-sign-conversion;-Wshadow;-Werror;-fno-math-errno;-fno-trapping-math;-ffp-contract=off>")
if(TENON_SANITIZE)
  add_compile_options(-fsanitize=${TENON_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TENON_SANITIZE})
else()
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

# ccache with paths taken relative to the checkout, so that a second checkout finds what the first one compiled.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_COMPRESS=1
      CCACHE_SLOPPINESS=include_file_mtime,include_file_ctime,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_package(Threads REQUIRED)

if(TENON_ONEDNN)
  find_package(OneDNN 3.2 QUIET)
  if(OneDNN_FOUND)
    message(STATUS "oneDNN ${OneDNN_VERSION}: ${OneDNN_LIBRARY}")
  else()
    message(STATUS "oneDNN >= 3.2 not found (scripts/setup.sh installs it): building without its tactics")
  endif()
else()
  message(STATUS "oneDNN: off (TENON_ONEDNN=OFF)")
endif()
