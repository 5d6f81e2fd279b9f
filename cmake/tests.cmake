# Programs that tests and people run from the shell.
add_executable(stories260k_dir ${CMAKE_SOURCE_DIR}/tests/stories260k_dir.cc)
target_link_libraries(stories260k_dir PRIVATE glassbox_formats glassbox_testing GTest::gtest)
add_executable(tokenizer_convert ${CMAKE_SOURCE_DIR}/tests/tokenizer_convert.cc)
target_link_libraries(tokenizer_convert PRIVATE glassbox_tokenizer)

# The shipped model against its card.
add_executable(test_prism_model ${CMAKE_SOURCE_DIR}/tests/prism_model_test.cc)
target_link_libraries(test_prism_model PRIVATE glassbox_engine prism_world glassbox_testing GTest::gtest_main)
gtest_discover_tests(test_prism_model TEST_PREFIX "prism_model." WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  PROPERTIES LABELS prism TIMEOUT 1200)

# Real models made elsewhere, from the data folder or fetched by scripts/smollm2.
add_executable(test_conformance ${CMAKE_SOURCE_DIR}/tests/conformance_test.cc)
target_link_libraries(test_conformance PRIVATE glassbox_eval glassbox_testing GTest::gtest_main)
gtest_discover_tests(test_conformance TEST_PREFIX "conformance." WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  PROPERTIES LABELS conformance TIMEOUT 1200)

# Tokenizers on 20 MB of the data folder's texts.
add_executable(test_tokenizers ${CMAKE_SOURCE_DIR}/tests/tokenizer_conformance_test.cc
                               ${CMAKE_SOURCE_DIR}/tests/tokenizer_conversion_test.cc)
target_link_libraries(test_tokenizers PRIVATE glassbox_tokenizer glassbox_testing GTest::gtest_main GTest::gmock)
gtest_discover_tests(test_tokenizers TEST_PREFIX "tokenizers." WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  PROPERTIES LABELS conformance TIMEOUT 1200)
