@cancellation @use.with_engine=counting
Feature: However a client leaves, its request ends
  Programs close their connections, crash, lose their network, or just stop reading. Whoever pays for the machine
  wants the answer that nobody will read to end in each of these cases, and the others not to notice.

  Documentation speaks of clients that disconnect. What becomes of one that says no more but listens, of one that has
  lost its link, and of one that does not read is observed here, not promised.

  Rule: Within 2 seconds of a connection's end, whatever its kind, the worker stops

    Scenario Outline: A client that <asks> and <leaves> is not generated for
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client that <asks>
      When the client <leaves> while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of <kind> is counted
      And each worker serves newcomers within 2 seconds

      @vllm
      Examples: vLLM
        | backend | asks                | leaves                        | kind                  |
        | vllm    | streams 2000 tokens | breaks the connection off     | a streamed completion |
        | vllm    | awaits 2000 tokens  | breaks the connection off     | an awaited completion |
        | vllm    | streams 2000 tokens | says that it will say no more | a streamed completion |
        | vllm    | awaits 2000 tokens  | says that it will say no more | an awaited completion |

      @sglang
      Examples: SGLang
        | backend | asks                | leaves                        | kind                  |
        | sglang  | streams 2000 tokens | breaks the connection off     | a streamed completion |
        | sglang  | awaits 2000 tokens  | breaks the connection off     | an awaited completion |
        | sglang  | streams 2000 tokens | says that it will say no more | a streamed completion |
        | sglang  | awaits 2000 tokens  | says that it will say no more | an awaited completion |

      @trtllm
      Examples: TensorRT-LLM
        | backend | asks                | leaves                        | kind                  |
        | trtllm  | streams 2000 tokens | breaks the connection off     | a streamed completion |
        | trtllm  | awaits 2000 tokens  | breaks the connection off     | an awaited completion |
        | trtllm  | streams 2000 tokens | says that it will say no more | a streamed completion |
        | trtllm  | awaits 2000 tokens  | says that it will say no more | an awaited completion |

  Rule: A client whose link is cut is given up within 10 seconds, as a worker is

    Scenario Outline: A client that comes back within 2 seconds loses nothing
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client with a link of its own that streams 400 tokens
      When the link of the client is cut for 2 seconds while its answer is being generated
      Then the client receives each of the 400 tokens exactly once
      And no cancellation is counted

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
    Scenario Outline: A client that vanishes without a word is given up
      Known defect: Dynamo 1.4.2 neither asks whether a client is still there nor limits how long it may take nothing:
      the worker generates the whole answer, and the frontend holds the request until the kernel gives up, in minutes.

      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client with a link of its own that streams 2000 tokens
      When the link of the client is cut while its answer is being generated
      Then within 10 seconds no worker holds anything for it

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

  Rule: A client that stops reading costs nobody but itself

    Scenario Outline: A client that stops reading holds its place no longer than its answer takes
      Given a <backend> deployment with 1 worker that serves 2 requests at a time, 1000 tokens a second each
      And a neighbour that streams 2500 tokens
      And a client that streams 2500 tokens
      When the client stops reading while its answer is being generated
      Then the neighbour receives each of the 2500 tokens exactly once
      And within 2 seconds no worker holds anything for it

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

    Scenario Outline: A client that stops reading and then leaves is counted as cancelled
      Given a <backend> deployment with 1 worker that serves 2 requests at a time
      And a client that streams 2000 tokens and has stopped reading
      When the client leaves while its answer is being generated
      Then within 2 seconds no worker holds anything for it
      And exactly 1 cancellation of a streamed completion is counted

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
