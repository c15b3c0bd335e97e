@cancellation @use.with_engine=counting
Feature: Whatever a client asks for, its request ends when it leaves
  Not everybody asks for chats and completions: newer programs ask for responses, others speak the languages of
  Anthropic or of KServe. An answer that nobody reads costs the same in each of them.

  Whoever asks for an inference cannot say how many tokens are wanted: 16 are what the counting engine gives.

  Rule: Within 2 seconds of a client leaving, whatever it asked for, its worker is free and it is counted once

    Scenario Outline: A client that <asks> and leaves frees its worker
      Given a <backend> deployment with 1 worker that serves messages as well
      And a client that <asks>
      When the client leaves while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of <kind> is counted
      And its request is counted as cancelled and as nothing else

      @vllm
      Examples: vLLM
        | backend | asks                              | kind                |
        | vllm    | streams a response of 2000 tokens | a streamed response |
        | vllm    | awaits a response of 2000 tokens  | an awaited response |
        | vllm    | streams a message of 2000 tokens  | a streamed message  |

      @sglang
      Examples: SGLang
        | backend | asks                              | kind                |
        | sglang  | streams a response of 2000 tokens | a streamed response |
        | sglang  | awaits a response of 2000 tokens  | an awaited response |
        | sglang  | streams a message of 2000 tokens  | a streamed message  |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                              | kind                |
        | trtllm  | streams a response of 2000 tokens | a streamed response |
        | trtllm  | awaits a response of 2000 tokens  | an awaited response |
        | trtllm  | streams a message of 2000 tokens  | a streamed message  |

    Scenario Outline: A client that awaits a message of 2000 tokens and leaves frees its worker
      Given a <backend> deployment with 1 worker that serves messages as well
      And a client that awaits a message of 2000 tokens
      When the client leaves while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of an awaited message is counted

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: A client that <asks> of a KServe deployment and leaves frees its worker
      Given a <backend> deployment with 1 worker that serves inferences at 10 tokens a second
      And a client that <asks>
      When the client leaves while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And the answer of the client is not generated to its end
      And exactly 1 cancellation of <kind> is counted

      @vllm
      Examples: vLLM
        | backend | asks                              | kind                 |
        | vllm    | streams an inference of 16 tokens | a streamed inference |
        | vllm    | awaits an inference of 16 tokens  | an awaited inference |

      @sglang
      Examples: SGLang
        | backend | asks                              | kind                 |
        | sglang  | streams an inference of 16 tokens | a streamed inference |
        | sglang  | awaits an inference of 16 tokens  | an awaited inference |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                              | kind                 |
        | trtllm  | streams an inference of 16 tokens | a streamed inference |
        | trtllm  | awaits an inference of 16 tokens  | an awaited inference |

    @known_defect
    Scenario Outline: A message that a client awaited until it left is not counted as answered
      Known defect: Dynamo 1.4.2 counts it as cancelled among cancellations, and as answered among requests.

      Given a <backend> deployment with 1 worker that serves messages as well
      And a client that awaits a message of 2000 tokens
      When the client leaves while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And its request is counted as cancelled and as nothing else

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    @known_defect
    Scenario Outline: A client that <asks> of a KServe deployment and leaves is no error of Dynamo's
      Known defect: Dynamo 1.4.2 counts it as cancelled among cancellations, and as an internal error among requests.

      Given a <backend> deployment with 1 worker that serves inferences at 10 tokens a second
      And a client that <asks>
      When the client leaves while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And its request is counted as cancelled and as nothing else

      @vllm
      Examples: vLLM
        | backend | asks                              |
        | vllm    | streams an inference of 16 tokens |
        | vllm    | awaits an inference of 16 tokens  |

      @sglang
      Examples: SGLang
        | backend | asks                              |
        | sglang  | streams an inference of 16 tokens |
        | sglang  | awaits an inference of 16 tokens  |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                              |
        | trtllm  | streams an inference of 16 tokens |
        | trtllm  | awaits an inference of 16 tokens  |

  Rule: Whoever stays has each token exactly once, whatever was asked for

    Scenario Outline: Responses and messages, streamed or in one piece, are answered in full
      Given a <backend> deployment with 1 worker that serves messages as well
      And a client that streams a response of 50 tokens
      And a neighbour that awaits a response of 50 tokens
      And a newcomer that streams a message of 50 tokens
      And a late client that awaits a message of 50 tokens
      When the late client has its whole answer
      Then the client receives each of the 50 tokens exactly once
      And the neighbour receives each of the 50 tokens exactly once
      And the newcomer receives each of the 50 tokens exactly once
      And the late client receives each of the 50 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: Inferences, streamed or in one piece, are answered in full
      Given a <backend> deployment with 1 worker that serves inferences at 10 tokens a second
      And a client that streams an inference of 16 tokens
      And a neighbour that awaits an inference of 16 tokens
      When the neighbour has its whole answer
      Then the client receives each of the 16 tokens exactly once
      And the neighbour receives each of the 16 tokens exactly once

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |
