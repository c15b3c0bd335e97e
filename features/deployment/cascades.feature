@deployment
Feature: One loss does not become many
  When a machine dies, the others get its work on top of theirs. The next one may die of that. Each loss must cost no
  more than itself, and when the machines are back, all must be as before.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it.

  @serial
  Rule: Those who are left serve what they can, tell the others so at once, and all is as before within 25 seconds

    Scenario Outline: The last of three workers stands, and turns away what it cannot take
      Given a <backend> deployment with 3 workers that each take 8 requests and let 2 wait
      And 20 requests a second for 60 tokens each
      When this happens under the load
        | what happens        | to whom    | when              |
        | gone                | one worker | after 40 requests |
        | gone for 13 seconds | one worker | 2 seconds later   |
      Then every request is answered as before within 25 seconds
      And requests are turned away while it lasts, and not before
      And whoever is turned away hears so within 500 milliseconds
      And 99 of 100 accepted answers are complete within 3 seconds
      And no token is lost or repeated

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

  Rule: A stream survives as many losses as it may migrate; one more ends it with a clear error within 5 seconds

    @migration
    Scenario Outline: A stream whose workers die one after the other is moved as often as it may be
      Given a <backend> deployment with 4 workers that allows 3 migrations
      And 10 requests a second for 50 tokens each
      And a client that streams 600 tokens
      When each worker that serves the client is killed, 3 times in a row
      Then the client receives each of the 600 tokens exactly once
      And no token is lost or repeated

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

    @migration
    Scenario Outline: A stream that may not be moved once more ends with a clear error
      Given a <backend> deployment with 4 workers that allows 2 migrations
      And 10 requests a second for 50 tokens each
      And a client that streams 600 tokens
      When each worker that serves the client is killed, 3 times in a row
      Then the client is told of an error within 5 seconds
      And no token is lost or repeated

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

  Rule: Workers that are lost at the same moment are off the list within 12 seconds, and make no answer wrong

    Scenario Outline: Where two of four workers are killed at the same moment the others serve, and no answer is wrong
      An answer that is moved to the other dying worker may end with an error: a known defect, which stands where many
      answers are moved.

      Given a <backend> deployment with 4 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When 2 workers are killed under this load
      Then every request is answered as before within 15 seconds
      And the list of those who serve is right within 12 seconds of each change
      And no token is lost or repeated
      And no request hangs

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
