# Writes OUT, a header that defines TENON_BUILD_IDENTITY: equal in two builds whose libraries fit together. It stands
# for the release, the compiler and the text of the headers that libtenon and libtenon_cuda share, so equal sources have
# equal identities in every checkout.
#   cmake -DROOT=src -DOUT=header -DRELEASE=0.1.0 -DCOMPILER=text -P build_identity.cmake
set(texts "${RELEASE} ${COMPILER}")
include(${CMAKE_CURRENT_LIST_DIR}/shared_headers.cmake)
tenon_shared_headers(headers ${ROOT})
foreach(header ${headers})
  file(SHA256 ${header} hash)
  file(RELATIVE_PATH name ${ROOT} ${header})
  string(APPEND texts " ${name} ${hash}")
endforeach()
string(SHA256 identity "${texts}")
string(SUBSTRING ${identity} 0 16 identity)
set(text "#define TENON_BUILD_IDENTITY \"${RELEASE}-${identity}\"\n")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
