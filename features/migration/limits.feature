@migration @use.with_engine=counting
Feature: An answer is moved as often and as far as it may be
  Moving an answer costs the work that was done for it once more. Operators bound how often that may happen, and up to which
  length; where it may not or cannot happen, whoever waits must hear so.

  Rule: An answer is moved up to the longest length that is set, and not beyond it

    Scenario Outline: An answer that is just as long as it may be is moved
      Given a <backend> deployment with 2 slow workers that moves answers of up to 7 tokens
      And a client that streams 4 tokens
      When the worker that serves the client is killed after exactly 2 tokens
      Then the client receives each of the 4 tokens exactly once
      And exactly 1 migration of a running request is counted

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

    Scenario Outline: An answer that is one token too long is not moved, and ends with a clear error
      Given a <backend> deployment with 2 slow workers that moves answers of up to 6 tokens
      And a client that streams 4 tokens
      When the worker that serves the client is killed after exactly 2 tokens
      Then the client is told of an error within 5 seconds
      And no other worker takes up the request of the client
      And exactly 1 request is counted as too long to be moved

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

    Scenario Outline: A prompt that is one token too long is not moved, and ends with a clear error
      Given a <backend> deployment with 2 slow workers that moves answers of up to 4 tokens
      And a client that streams 4 tokens
      When the worker that serves the client is killed before the first token
      Then the client is told of an error within 5 seconds
      And no other worker takes up the request of the client
      And exactly 1 request is counted as too long to be moved

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

  Rule: Where nobody else can go on, whoever waits hears so within 5 seconds

    Scenario Outline: An answer whose only worker dies ends with a clear error, and the next one is given when that is back
      Given a <backend> deployment with 1 worker that allows 3 migrations, where what ends is started again
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client is told of an error within 5 seconds
      And the frontend serves again within 15 seconds

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

    Scenario Outline: An answer is not moved to a worker of another model
      Given a <backend> deployment with 1 worker that may migrate, and 1 worker of another model
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client is told of an error within 5 seconds
      And no other worker takes up the request of the client

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

  Rule: A worker that is full lets in what is moved to it as soon as it has room, and loses nothing

    Scenario Outline: An answer that is moved to a full worker waits for its turn
      Given a <backend> deployment with 2 workers for 1 request each that may migrate
      And a neighbour that streams 300 tokens
      And a client that streams 200 tokens
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And the neighbour receives each of the 300 tokens exactly once
      And exactly 1 migration of a running request is counted

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
