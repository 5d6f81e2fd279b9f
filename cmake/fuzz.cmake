# Fuzz targets: fuzz/NAME_fuzz.cc becomes fuzz_NAME. With the asan preset libFuzzer drives it
# (build/asan/fuzz_NAME /tmp/new fuzz/corpus/NAME); in every other build it only replays fuzz/corpus/NAME. The replay is
# a test in all of them, so that an input that once broke a parser is tried for ever.
function(glassbox_fuzz name)
  add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/fuzz/${name}_fuzz.cc)
  target_include_directories(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR})
  foreach(floor ${ARGN})
    target_link_libraries(fuzz_${name} PRIVATE glassbox_${floor})
  endforeach()
  if(GLASSBOX_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set(replay -runs=0)
  else()
    target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay.cc)
  endif()
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${replay} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 600)
endfunction()

# NAME, and the floors it needs.
glassbox_fuzz(safetensors formats)
glassbox_fuzz(gguf formats)
glassbox_fuzz(config formats)
glassbox_fuzz(template text)
glassbox_fuzz(tokenizer_json text)
glassbox_fuzz(tokenizer_model text)
glassbox_fuzz(tokenizer_text text)
glassbox_fuzz(openai_request server)
glassbox_fuzz(http_request server)
