# The headers that decide whether objects of libtenon and of libtenon_cuda understand each other.
function(tenon_shared_headers out root)
  file(GLOB_RECURSE headers ${root}/base/*.h ${root}/ir/*.h ${root}/ops/*.h ${root}/plan/*.h ${root}/backends/*.h)
  list(FILTER headers EXCLUDE REGEX "/backends/(cpu|cuda)/")
  list(SORT headers)
  set(${out} ${headers} PARENT_SCOPE)
endfunction()
