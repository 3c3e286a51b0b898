# Sources compiled in groups, for builds from nothing: what headers and templates cost is paid once a group. A change to
# one source then compiles its whole group, so that by default nothing is grouped.
set(TENON_GROUPED "$ENV{TENON_GROUPED}" CACHE STRING "targets, as a regular expression, whose sources are compiled in groups")

# The sources in the list `variable`, in groups if `target` is to have them.
function(tenon_group variable target)
  set(sources ${${variable}})
  if(TENON_GROUPED AND target MATCHES "^(${TENON_GROUPED})$" AND sources)
    set(script ${PROJECT_SOURCE_DIR}/cmake/group_sources.py)
    execute_process(COMMAND ${Python3_EXECUTABLE} ${script} ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/grouped ${target} 16
                            ${sources}
                    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
                    OUTPUT_VARIABLE grouped OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    string(REPLACE "\n" ";" ${variable} "${grouped}")
    set(${variable} ${${variable}} PARENT_SCOPE)
    # A new name may end a group.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script} ${sources})
  endif()
endfunction()
