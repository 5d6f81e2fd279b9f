# Benchmarks: one program a file of bench/. `make bench` runs what DESIGN.md's goals speak of.
add_executable(kernels_bench EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/kernels_bench.cc)
target_link_libraries(kernels_bench PRIVATE glassbox_kernels benchmark::benchmark)

add_executable(train_step EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/train_step.cc)
target_link_libraries(train_step PRIVATE glassbox_train CLI11::CLI11)

add_executable(tokenizer_bench EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/tokenizer_bench.cc)
target_link_libraries(tokenizer_bench PRIVATE glassbox_tokenizer benchmark::benchmark)

add_executable(xet_bench EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/xet_bench.cc)
target_link_libraries(xet_bench PRIVATE glassbox_hub benchmark::benchmark)

add_executable(latent_attention EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/latent_attention.cc)
target_link_libraries(latent_attention PRIVATE glassbox_tensor fmt::fmt)

add_executable(random_model EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/random_model.cc)
target_link_libraries(random_model PRIVATE glassbox_models)

add_test(NAME bench.peer COMMAND python3 tests/peer_test.py $<TARGET_FILE:glassbox> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(bench.peer PROPERTIES LABELS conformance TIMEOUT 300)
