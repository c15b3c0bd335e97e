@deployment
Feature: An answer that cannot go on ends with a clear error
  In the middle of an answer the engine may break, or its worker fall silent. Whoever reads it must be told so and
  never take half an answer for a whole one, and whoever operates it must find it counted.

  Rule: When the engine breaks on a prompt, its client is told so, and nobody else notices

    @use.with_engine=counting
    Scenario Outline: A stream on which the engine breaks ends with an error, and its neighbour goes on
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a neighbour that streams 300 tokens
      When another client streams an answer to a prompt that breaks the engine
      Then it receives 20 tokens, then an error that a program can read, then the end of its stream
      And exactly 1 failure of Dynamo's own is counted
      And the neighbour receives each of the 300 tokens exactly once
      And within 2 seconds every place is free

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

    @use.with_engine=counting
    Scenario Outline: An answer in one piece on which the engine breaks is an error
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a neighbour that streams 300 tokens
      When another client awaits an answer to a prompt that breaks the engine
      Then it is refused as broken within 2 seconds
      And a program can tell what was wrong
      And exactly 1 failure of Dynamo's own is counted
      And the neighbour receives each of the 300 tokens exactly once
      And within 2 seconds every place is free

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

    @use.with_engine=counting
    Scenario Outline: A prompt that breaks the engine is not carried from worker to worker
      Given a <backend> deployment with 2 workers that allows 3 migrations
      When another client streams an answer to a prompt that breaks the engine
      Then it receives 20 tokens, then an error that a program can read, then the end of its stream
      And no other worker is tried
      And no migration is counted
      And exactly 1 failure of Dynamo's own is counted
      And within 2 seconds every place is free

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

  Rule: A worker that is silent for too long ends its streams with an error, and serves within 10 seconds of its return

    Scenario Outline: A stream whose worker falls silent ends with an error where <limit> migrations are allowed
      Given a <backend> deployment with 2 workers that allows <limit> migrations and gives a silent worker 5 seconds
      And a client that streams 400 tokens
      When the worker that serves the client falls silent after 50 tokens
      Then the client is told of an error after 4 to 7 seconds, and that its answer is over
      And no migration is counted
      And every worker serves within 10 seconds
      And within 2 seconds every place is free

      @vllm
      Examples: vLLM
        | backend | limit |
        | vllm    | no    |
        | vllm    | 3     |

      @sglang
      Examples: SGLang
        | backend | limit |
        | sglang  | no    |
        | sglang  | 3     |

      @trtllm
      Examples: TensorRT-LLM
        | backend | limit |
        | trtllm  | no    |
        | trtllm  | 3     |

    @known_defect
    Scenario Outline: A stream whose worker falls silent is counted as one that waited too long
      Known defect: Dynamo 1.4.2 counts it as an internal error of its own, and the kind for it (response timeout) never.

      Given a <backend> deployment with 2 workers that allows no migrations and gives a silent worker 5 seconds
      And a client that streams 400 tokens
      When the worker that serves the client falls silent after 50 tokens
      Then the client is told of an error after 4 to 7 seconds, and that its answer is over
      And exactly 1 silence of a worker is counted

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
