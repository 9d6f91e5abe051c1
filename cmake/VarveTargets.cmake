# The two kinds of target of this project: a layer (one folder, one library) and the tests beside its code.

add_library(varve_options INTERFACE)
target_include_directories(varve_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_compile_options(varve_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wthread-safety -Wthread-safety-beta -Wthread-safety-reference-return
                                               -Wno-sign-conversion -Wno-shadow-field-in-constructor -Wno-missing-designated-field-initializers -Wreserved-identifier
                                               -Werror -fno-omit-frame-pointer)
target_compile_definitions(
  varve_options INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
                          BOOST_ASIO_DISABLE_BOOST_COROUTINE SPDLOG_FMT_EXTERNAL)
target_link_options(varve_options INTERFACE -fuse-ld=lld-19)
if(VARVE_SANITIZE)
  target_compile_options(varve_options INTERFACE -fsanitize=${VARVE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(varve_options INTERFACE -fsanitize=${VARVE_SANITIZE})
endif()
target_link_libraries(varve_options INTERFACE Boost::headers spdlog::spdlog OpenSSL::SSL OpenSSL::Crypto Threads::Threads)

# varve_layer(NAME DIR deps...): every .cc of DIR but the tests becomes library varve_NAME; the foo_test.cc files become varve_NAME_test.
function(varve_layer name dir)
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(varve_${name} STATIC ${sources})
    target_link_libraries(varve_${name} PUBLIC varve_options ${ARGN})
    varve_precompile(varve_${name})
  else()
    add_library(varve_${name} INTERFACE)
    target_link_libraries(varve_${name} INTERFACE varve_options ${ARGN})
  endif()
  if(tests)
    set_property(GLOBAL APPEND PROPERTY VARVE_UNIT_TESTS ${tests})
  endif()
  set_property(GLOBAL APPEND PROPERTY VARVE_LAYERS varve_${name})
endfunction()

# One precompiled header for all: the heavy third-party headers are parsed once a build.
function(varve_precompile target)
  if(TARGET varve_pch)
    target_precompile_headers(${target} REUSE_FROM varve_pch)
  endif()
endfunction()
