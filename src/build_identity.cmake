# build_identity_text.h: see cmake/build_identity.cmake. Written anew when a shared header changes.
include(shared_headers)
tenon_shared_headers(shared_headers ${CMAKE_CURRENT_SOURCE_DIR})
set(identity_folder ${CMAKE_CURRENT_BINARY_DIR}/identity)
set(identity_compiler "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_SYSTEM_PROCESSOR}")
add_custom_command(
  OUTPUT ${identity_folder}/stamp
  BYPRODUCTS ${identity_folder}/build_identity_text.h
  COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_CURRENT_SOURCE_DIR} -DOUT=${identity_folder}/build_identity_text.h
          -DRELEASE=${PROJECT_VERSION} "-DCOMPILER=${identity_compiler}"
          -P ${PROJECT_SOURCE_DIR}/cmake/build_identity.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${identity_folder}/stamp
  DEPENDS ${shared_headers} ${PROJECT_SOURCE_DIR}/cmake/build_identity.cmake
          ${PROJECT_SOURCE_DIR}/cmake/shared_headers.cmake
  COMMENT "Identity of this build" VERBATIM)
add_custom_target(tenon_identity DEPENDS ${identity_folder}/stamp)

function(tenon_build_identity target)
  target_include_directories(${target} PRIVATE ${identity_folder})
  add_dependencies(${target} tenon_identity)
endfunction()
